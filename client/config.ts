// What the client remembers for its user: which key belongs to which site, and which certificate to which
// target. Nothing secret is in it, but who can write it can redirect secrets, so it is private to the user.
// Temporal's own settings are not here: they come from its profiles (temporal.ts).
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { fingerprintSchema } from '../contract/index.ts';
import { ClientError } from './errors/client-error.ts';

const pinnedSiteSchema = z.object({
  /** X25519, base64 of 32 bytes. */
  publicKey: z.base64(),
  pinnedAt: z.iso.datetime(),
});
const pinnedTargetSchema = z.object({ fingerprint: fingerprintSchema, pinnedAt: z.iso.datetime() });

const configSchema = z.object({
  version: z.literal(1),
  /** By `ADDRESS/NAMESPACE/SITE`: a site is known to one Temporal namespace, and others may use its name. */
  sites: z.record(z.string(), pinnedSiteSchema),
  /** By `HOST:PORT`. */
  targets: z.record(z.string(), pinnedTargetSchema),
});
export type Config = z.infer<typeof configSchema>;

/** `$XDG_CONFIG_HOME/rundirect/config.json`, by default below `~/.config` (XDG Base Directory Specification). */
export function configPath(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CONFIG_HOME'];
  // The specification has relative paths ignored.
  const directory = base?.startsWith('/') === true ? base : join(homedir(), '.config');
  return join(directory, 'rundirect', 'config.json');
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** The config, empty where there is none yet. Throws ClientError ConfigInvalid. */
export async function readConfig(path: string): Promise<Config> {
  try {
    return configSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    if (isMissing(cause)) return { version: 1, sites: {}, targets: {} };
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw new ClientError('ConfigInvalid', `${path} can't be read as the client's config: ${why}`, {
      cause,
      hint: 'Repair it, or move it away and pin sites and targets anew.',
    });
  }
}

/** Writes the config whole: a reader sees the old one or the new one. Two writers: the last one wins. */
export async function writeConfig(path: string, config: Config): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(temporary, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600, flush: true });
    await rename(temporary, path);
  } catch (error) {
    // What failed is told below; a leftover would be harmless.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new ClientError('ConfigInvalid', `${path} can't be written: ${String(error)}`, { cause: error });
  }
}
