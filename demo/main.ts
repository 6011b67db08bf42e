// `npm run demo`: plays the story on a house of its own, and ends with a table. Exit code 0 only if everything
// was as it should be.
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { House } from './house.ts';
import { endKept, keep } from './kept.ts';
import { createNarrator, type Narrator } from './narrator.ts';
import { createStack, type Stack } from './stack.ts';
import { playStory } from './story.ts';

const usage = `npm run demo [-- [--vcenter] [--keep]]

  --vcenter      through a vCenter instead of a standalone ESXi host
  --keep         leaves everything running, and says how to look at it and how to end it
  --end FOLDER   ends what --keep left running`;

const EXIT_USAGE = 2;

const options = typedOptions();
if (options.help) console.log(usage);
else if (options.end !== undefined) process.exit(await end(options.end));
else process.exit(await demo(options.vcenter ? 'vcenter' : 'esx', options.keep));

function typedOptions(): { vcenter: boolean; keep: boolean; end?: string | undefined; help: boolean } {
  try {
    return parseArgs({
      options: {
        vcenter: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        end: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${usage}`);
    return process.exit(EXIT_USAGE);
  }
}

async function end(folder: string): Promise<number> {
  try {
    await endKept(folder);
    return 0;
  } catch (error) {
    console.error(messageOf(error));
    return 1;
  }
}

async function demo(model: 'esx' | 'vcenter', keepIt: boolean): Promise<number> {
  const narrator = createNarrator((line) => console.log(line));
  let stack: Stack | undefined;
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => reject(new Error(`ended by ${signal}`)));
  });
  try {
    await Promise.race([interrupted, play()]);
    return 0;
  } catch (error) {
    console.error(`\nThe demo failed: ${messageOf(error)}`);
    if (stack !== undefined) console.error(`The logs of all processes are in ${stack.logFolder}`);
    await stack?.close({ keepFolder: true });
    return 1;
  }

  async function play(): Promise<void> {
    const made = await createStack({
      model,
      outlivesUs: keepIt,
      onReady: (part, detail) => console.log(`    ${part}: ${detail}`),
    });
    stack = made;
    await narrator.step(
      `the house starts: Temporal, ${model === 'esx' ? 'an ESXi host' : 'a vCenter'}, gateway, worker`,
      () => made.start(),
    );
    const picture = await pictureFile();
    const house = await playStory(made, narrator, picture);
    await finish(made, house, narrator, picture, keepIt);
  }
}

async function finish(
  stack: Stack,
  house: House,
  narrator: Narrator,
  picture: string,
  keepIt: boolean,
): Promise<void> {
  console.log(`\n${narrator.table()}\n`);
  console.log(`  The guest's screen, while it ran from the backup: ${picture}`);
  if (keepIt) {
    await keep(stack);
    console.log(howToLook(stack, house));
    return;
  }
  console.log(`  The web UI was at ${stack.temporal.ready.webUi}; --keep leaves it running.`);
  await stack.close();
}

function howToLook(stack: Stack, house: House): string {
  const { env, temporal, folder } = stack;
  return `
  Everything goes on running. Temporal's web UI: ${temporal.ready.webUi}
  To use the command line on it:
      export TEMPORAL_ADDRESS=${env['TEMPORAL_ADDRESS'] ?? ''} XDG_CONFIG_HOME=${env['XDG_CONFIG_HOME'] ?? ''}
      ./rundirect sessions --all
      ./rundirect ${house.startFlags('nightly', 'web01').join(' ')}
  To end it all:
      npm run demo -- --end ${folder}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Outside the run's folder, which is removed at the end. */
async function pictureFile(): Promise<string> {
  const folder = path.join(tmpdir(), 'rundirect-demo');
  await mkdir(folder, { recursive: true });
  return path.join(folder, `web01-${new Date().toISOString().replace(/[:.]/g, '-')}.png`);
}
