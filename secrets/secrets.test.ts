import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fingerprintOf, loadSiteKey, openCredentialStore, type SealedSecret, seal } from './index.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'rundirect-secrets-'));
});
afterEach(() => {
  rmSync(state, { recursive: true });
});

const binding = { workflowId: 'web01-abc123', purpose: 'target-password', subject: 'esx1:443/root' };
const rejected = expect.objectContaining({ code: 'SecretRejected' }) as unknown;

describe('sealing', () => {
  test('what was sealed opens again, whatever it is', async () => {
    const site = await loadSiteKey(state);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), (secret) => {
        expect(site.open(seal(site.publicKey, secret, binding), binding)).toEqual(secret);
      }),
      { numRuns: 50 },
    );
  });

  test('opens for no other Workflow, purpose or subject', async () => {
    const site = await loadSiteKey(state);
    const sealed = seal(site.publicKey, Buffer.from('hunter2'), binding);
    for (const other of [
      { ...binding, workflowId: 'web01-abc124' },
      { ...binding, purpose: 'set-passphrase' },
      { ...binding, subject: 'esx2:443/root' },
    ]) {
      expect(() => site.open(sealed, other)).toThrow(rejected);
    }
  });

  test('every flipped bit and every missing byte is refused', async () => {
    const site = await loadSiteKey(state);
    const sealed = seal(site.publicKey, Buffer.from('hunter2'), binding);
    const box = Buffer.from(sealed.ciphertext, 'base64');
    const damaged: SealedSecret[] = [];
    for (let i = 0; i < box.length; i++) {
      const flipped = Buffer.from(box);
      flipped[i] = (flipped[i] ?? 0) ^ 1;
      damaged.push({ ...sealed, ciphertext: flipped.toString('base64') });
      damaged.push({ ...sealed, ciphertext: box.subarray(0, i).toString('base64') });
    }
    damaged.push(
      { ...sealed, ephemeralKey: '' },
      { ...sealed, ephemeralKey: Buffer.alloc(32).toString('base64') },
    );
    for (const each of damaged) expect(() => site.open(each, binding)).toThrow(rejected);
  });

  test('another site does not open it, and says whose it is', async () => {
    const other = mkdtempSync(join(tmpdir(), 'rundirect-secrets-'));
    try {
      const [mine, theirs] = [await loadSiteKey(state), await loadSiteKey(other)];
      const sealed = seal(theirs.publicKey, Buffer.from('hunter2'), binding);
      expect(() => mine.open(sealed, binding)).toThrow(theirs.fingerprint);
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  test('secrets of different length look alike', async () => {
    const site = await loadSiteKey(state);
    const length = (text: string) => seal(site.publicKey, Buffer.from(text), binding).ciphertext.length;
    expect(length('a')).toBe(length('a passphrase of some forty characters...'));
  });

  test('openssl agrees on the public key and its fingerprint', async () => {
    const site = await loadSiteKey(state);
    const der = execFileSync('openssl', [
      'pkey',
      '-inform',
      'DER',
      '-in',
      join(state, 'site-key'),
      '-pubout',
      '-outform',
      'DER',
    ]);
    const raw = der.subarray(der.length - 32);
    expect(raw.toString('base64')).toBe(site.publicKey);
    const digest = execFileSync('openssl', ['dgst', '-sha256', '-binary'], { input: raw });
    expect(fingerprintOf(site.publicKey)).toBe(`SHA256:${digest.toString('base64').replace(/=+$/, '')}`);
  });
});

describe('site key', () => {
  test('stays the same, and is made once by starters that race', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => loadSiteKey(state)));
    expect(new Set(keys.map((key) => key.publicKey)).size).toBe(1);
    expect((await loadSiteKey(state)).publicKey).toBe(keys[0]?.publicKey);
    expect(readdirSync(state)).toEqual(['site-key']);
    expect(statSync(join(state, 'site-key')).mode & 0o777).toBe(0o600);
  });

  test('is refused when others may read it, or when it is none', async () => {
    await loadSiteKey(state);
    chmodSync(join(state, 'site-key'), 0o644);
    await expect(loadSiteKey(state)).rejects.toThrow('chmod 600');
    chmodSync(join(state, 'site-key'), 0o600);
    writeFileSync(join(state, 'site-key'), 'nonsense');
    await expect(loadSiteKey(state)).rejects.toThrow('not a site key');
  });
});

describe('credential store', () => {
  test('keeps, replaces, lists and forgets, for every process that opens it', async () => {
    const [one, two] = await Promise.all([openCredentialStore(state), openCredentialStore(state)]);
    await one.put('image-key.web01', Buffer.from('first'));
    await one.put('image-key.web01', Buffer.from('second'));
    await two.put('overlay-key.web01', Buffer.from('other'));
    expect(await two.get('image-key.web01')).toEqual(new Uint8Array(Buffer.from('second')));
    expect((await one.list()).sort()).toEqual(['image-key.web01', 'overlay-key.web01']);
    await two.remove('image-key.web01');
    await two.remove('image-key.web01');
    expect(await one.get('image-key.web01')).toBeUndefined();
    expect(await one.list()).toEqual(['overlay-key.web01']);
  });

  test('shows nothing of an entry on disk, and notices damage and swapped files', async () => {
    const store = await openCredentialStore(state);
    await store.put('a', Buffer.from('correct horse battery staple'));
    await store.put('b', Buffer.from('x'));
    const [a, b] = ['a', 'b'].map((name) => join(state, 'credentials', `${name}.sealed`)) as [string, string];
    const bytes = readFileSync(a);
    expect(bytes.includes('horse')).toBe(false);
    for (let i = 0; i < bytes.length; i++) {
      const flipped = Buffer.from(bytes);
      flipped[i] = (flipped[i] ?? 0) ^ 0x80;
      writeFileSync(a, flipped);
      await expect(store.get('a')).rejects.toThrow('does not open');
    }
    writeFileSync(a, readFileSync(b));
    await expect(store.get('a')).rejects.toThrow('does not open');
  });

  test('makes no new key while something is sealed under the one that is missing', async () => {
    const store = await openCredentialStore(state);
    await store.put('a', Buffer.from('x'));
    const key = readFileSync(join(state, 'credential-store-key'));
    rmSync(join(state, 'credential-store-key'));
    await expect(openCredentialStore(state)).rejects.toThrow('Restore it from a copy');
    writeFileSync(join(state, 'credential-store-key'), key, { mode: 0o600 });
    expect(await (await openCredentialStore(state)).get('a')).toEqual(new Uint8Array(Buffer.from('x')));
    rmSync(join(state, 'credential-store-key'));
    rmSync(join(state, 'credentials'), { recursive: true });
    expect(await (await openCredentialStore(state)).list()).toEqual([]);
  });

  test('refuses a name that leads out of its folder', async () => {
    const store = await openCredentialStore(state);
    expect(() => store.put('../escape', Buffer.from('x'))).toThrow("can't name");
  });
});
