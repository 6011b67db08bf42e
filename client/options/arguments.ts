// Parsers of what is typed behind a flag. Each throws commander's InvalidArgumentError, which names the flag and
// ends in exit code 2.
import { InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';
import {
  backupSetNameSchema,
  type ChangesPlace,
  drillIdSchema,
  drillNameSchema,
  fingerprintSchema,
  MAX_RESERVE_FACTOR,
  MIN_RESERVE_FACTOR,
  proveIdSchema,
  rateSchema,
  reportFolderSchema,
  sessionIdSchema,
  siteNameSchema,
  stopRequestSchema,
  type TargetAddress,
  vaultLocationSchema,
} from '../../contract/index.ts';
import { parseDuration, parseRate, parseSize } from '../quantity.ts';

export const DEFAULT_SITE = 'main';
const HTTPS_PORT = 443;
const MAX_PORT = 65_535;

/** A flag's parser from a schema of the contract. */
function by<Output>(schema: z.ZodType<Output, string>): (text: string) => Output {
  return (text) => {
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(parsed.error.issues.map(({ message }) => message).join('; '));
  };
}

const vaultLocation = by(vaultLocationSchema);
export const backupSetName = by(backupSetNameSchema);
export const sessionId = by(sessionIdSchema);
export const siteName = by(siteNameSchema);
export const stopReason = by(stopRequestSchema.shape.reason.unwrap());
export const drillName = by(drillNameSchema);
export const drillId = by(drillIdSchema);
export const proveId = by(proveIdSchema);
export const reportFolder = by(reportFolderSchema);
export const certificateFingerprint = by(fingerprintSchema);

/** `HOST[:PORT]`; an IPv6 address with a port stands in brackets. */
export function targetAddress(text: string): TargetAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? HTTPS_PORT);
  if (host === undefined || port < 1 || port > MAX_PORT) {
    throw new InvalidArgumentError('a target is HOST or HOST:PORT (an IPv6 address in brackets)');
  }
  return { host, port };
}

/** A site key's fingerprint, as its worker prints it. */
export function siteKeyFingerprint(text: string): string {
  const match = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(text);
  if (match?.[1] === undefined) {
    throw new InvalidArgumentError('a site key has a fingerprint like SHA256: and 43 characters');
  }
  return `SHA256:${match[1]}`;
}

export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('a duration is written like 90s, 5m or 1h30m');
  return ms;
}

/** In bytes a second. */
function rate(text: string): number {
  const bytesPerSecond = parseRate(text);
  if (bytesPerSecond === undefined)
    throw new InvalidArgumentError('a rate is written like 50MiB/s (KiB, MiB or GiB a second)');
  const parsed = rateSchema.safeParse(bytesPerSecond);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(parsed.error.issues.map(({ message }) => message).join('; '));
}

/** In bytes. */
export function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('a size is written like 20GiB (MiB, GiB or TiB)');
  return bytes;
}

/** Null for `none`. */
export const rateOrNone = (text: string): number | null => (text === 'none' ? null : rate(text));

export function factor(text: string): number {
  const value = Number(text);
  if (!(value >= MIN_RESERVE_FACTOR && value <= MAX_RESERVE_FACTOR)) {
    throw new InvalidArgumentError(
      `a factor is a number from ${MIN_RESERVE_FACTOR} to ${MAX_RESERVE_FACTOR}`,
    );
  }
  return value;
}

/** `gateway`, or `datastore:NAME`. */
export function changesPlace(text: string): 'gateway' | ChangesPlace {
  if (text === 'gateway') return text;
  const datastore = /^datastore:(.+)$/.exec(text)?.[1];
  if (datastore === undefined) throw new InvalidArgumentError('changes go to gateway, or to datastore:NAME');
  return { datastore };
}

export function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('give a whole number above 0');
  return value;
}

/** The flags whose names are not those of the fields that they fill. */
const flagOfField: Readonly<Record<string, string>> = {
  backupSet: '--set',
  jobId: '--job',
  vmName: '--vm',
  vmNames: '--vm',
  sessionId: '--session',
  guestTimeoutMs: '--guest-timeout',
};

/** What a schema has against the input that flags made, with the flag named: `--name: …`. */
export function flagProblems({ issues }: z.ZodError): string {
  const told = issues.map((issue) => {
    const { path, message } = issue;
    const isEmpty = issue.code === 'too_small' && issue.origin === 'string' && issue.minimum === 1;
    const field = path.findLast((part) => typeof part === 'string') ?? '';
    const flag = flagOfField[field] ?? `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return `${flag}: ${isEmpty ? 'it is empty' : message}`;
  });
  return told.join('; ');
}

// Options that several commands share, made anew for each.

export const throttleOption = (): Option =>
  new Option('--throttle <rate>', 'copy at so much a second at the most, like 50MiB/s').argParser(rate);

export const siteOption = (): Option =>
  new Option('--site <name>', 'the site that does the work').default(DEFAULT_SITE).argParser(siteName);

export const vaultOption = (): Option =>
  new Option('--vault <dir>', 'the vault: an absolute folder, as the site sees it')
    .argParser(vaultLocation)
    .makeOptionMandatory();

export const passphraseOptions = (): Option[] => [
  new Option('--passphrase-file <file>', "read the set's passphrase from this file").conflicts(
    'passphraseStdin',
  ),
  new Option('--passphrase-stdin', "read the set's passphrase from standard input"),
];

function sessionIds(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, sessionId(text)];
}

export const onlyOption = (): Option =>
  new Option('--only <session...>', 'of a batch: these of its sessions').argParser(sessionIds);

/** What the passphrase's options leave behind. */
export interface PassphraseOptions {
  readonly passphraseFile?: string;
  readonly passphraseStdin?: boolean;
}
