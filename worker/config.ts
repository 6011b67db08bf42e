// What a worker is told at its start, parsed once. Where Temporal is comes from Temporal's own profiles and
// variables (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, temporal.toml); flags override them.
// https://docs.temporal.io/develop/environment-configuration
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import { MAX_PARALLEL_MIGRATIONS, siteNameSchema } from '../contract/index.ts';

const DEFAULT_ADDRESS = 'localhost:7233';
const DEFAULT_NAMESPACE = 'default';

/** An IPv4 or IPv6 address, or a range in CIDR form. */
const hostRangeSchema = z.union(
  [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()],
  'an address like 10.0.0.5, or a range like 10.0.0.0/24',
);

const migrationsWords = `a whole number from 1 to ${MAX_PARALLEL_MIGRATIONS}`;

const workerConfigSchema = z.object({
  site: siteNameSchema,
  stateDirectory: z.string().startsWith('/', 'the state folder is absolute'),
  allow: z.array(hostRangeSchema).max(200),
  activitiesOnly: z.boolean(),
  parallelMigrations: z
    .number(migrationsWords)
    .int(migrationsWords)
    .min(1, migrationsWords)
    .max(MAX_PARALLEL_MIGRATIONS, migrationsWords),
  address: z.string().min(1).optional(),
  namespace: z.string().min(1).optional(),
  profile: z.string().min(1).optional(),
});
export type WorkerConfig = z.infer<typeof workerConfigSchema>;

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** What a person said on the command line. */
const flags: Readonly<Record<string, string>> = {
  stateDirectory: '--state',
  activitiesOnly: '--activities-only',
  parallelMigrations: '--parallel-migrations',
};

/** Throws ConfigError, which names the flag. */
export function parseConfig(raw: unknown): WorkerConfig {
  const parsed = workerConfigSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues.map(({ path: [name], message }) => `${flagOf(String(name))}: ${message}`).join('; '),
  );
}

const flagOf = (setting: string): string => flags[setting] ?? `--${setting}`;

export type TemporalSettings = ClientConnectConfig['connectionOptions'] & {
  readonly address: string;
  readonly namespace: string;
};

/** Flags before variables before the profile's file. Throws ConfigError. */
export function temporalSettings({ address, namespace, profile }: WorkerConfig): TemporalSettings {
  try {
    const settings = loadClientConnectConfig(profile === undefined ? {} : { profile });
    return {
      ...settings.connectionOptions,
      address: address ?? settings.connectionOptions.address ?? DEFAULT_ADDRESS,
      namespace: namespace ?? settings.namespace ?? DEFAULT_NAMESPACE,
    };
  } catch (cause) {
    const hint = 'see --profile, TEMPORAL_CONFIG_FILE and the TEMPORAL_… variables';
    throw new ConfigError(`Temporal's settings can't be used (${hint}): ${String(cause)}`, { cause });
  }
}
