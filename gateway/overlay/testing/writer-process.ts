// A process that writes into an overlay until it is killed, and says on standard output what was acknowledged:
// one line per write, `PAGE VALUE`, after it. Run by crash.test.ts.
import { writeSync } from 'node:fs';
import { PAGE_BYTES } from '../limits.ts';
import { openTestOverlay } from './fixture.ts';

const [path = '', keyHex = '', firstValue = '0'] = process.argv.slice(2);
const WRITERS = 16;
const PAGES = 512;

const overlay = await openTestOverlay(path, Buffer.from(keyHex, 'hex'));
const file =
  overlay.names.find(overlay.root, 'f') ??
  (await overlay.names.create(overlay.root, 'f', { how: 'guarded', attributes: {} }));
let value = Number(firstValue);

/** Each writer has pages of its own, so that the last acknowledged value of a page is known. */
async function writer(number: number): Promise<never> {
  for (;;) {
    const mine = value++;
    const page = number + WRITERS * (mine % (PAGES / WRITERS));
    const bytes = Buffer.alloc(PAGE_BYTES);
    for (let at = 0; at < PAGE_BYTES; at += 8) bytes.writeDoubleBE(mine, at);
    await overlay.write(file, page * PAGE_BYTES, bytes);
    writeSync(1, `${page} ${mine}\n`);
    if (mine % 200 === 0) await overlay.checkpoint();
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, number) => writer(number)));
