// What is called how in a vault. Source: docs/vault-format.md, "Objects".
import { VaultError } from './vault-error.ts';

export const VAULT_FILE = 'vault.json';
export const SETS_PREFIX = 'sets/';

const SET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const SEQUENCE_DIGITS = 6;
const JOB_OBJECT = /\/jobs\/(\d{6,})\.job$/;
const LOCK_OBJECT = /\/lock\/(\d{6,})\.json$/;

/** Throws VaultError InvalidInput. */
export function checkSetName(name: string): void {
  if (SET_NAME.test(name)) return;
  throw new VaultError(
    'InvalidInput',
    `'${name}' can't name a backup set: up to 63 of A-Z, a-z, 0-9, . _ and -, starting with a letter or digit.`,
  );
}

export const setPrefix = (setName: string): string => `${SETS_PREFIX}${setName}/`;
export const keyFileName = (setName: string): string => `${setPrefix(setName)}key.json`;
export const blocksPrefix = (setName: string): string => `${setPrefix(setName)}blocks/`;
export const blockFileName = (setName: string, fileId: string): string =>
  `${blocksPrefix(setName)}${fileId}.blocks`;
export const jobsPrefix = (setName: string): string => `${setPrefix(setName)}jobs/`;
export const jobObjectName = (setName: string, sequence: number): string =>
  `${jobsPrefix(setName)}${digits(sequence)}.job`;
export const lockPrefix = (setName: string): string => `${setPrefix(setName)}lock/`;
export const lockObjectName = (setName: string, generation: number): string =>
  `${lockPrefix(setName)}${digits(generation)}.json`;

/** `000007-20261123T024400Z`: the sequence within the set, and when the backup started. */
export function jobIdFor(sequence: number, startedAt: Date): string {
  const compact = startedAt.toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '');
  return `${digits(sequence)}-${compact}`;
}

export const sequenceOfJobObject = (name: string): number | undefined => numberIn(name, JOB_OBJECT);
export const generationOfLockObject = (name: string): number | undefined => numberIn(name, LOCK_OBJECT);

function numberIn(name: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(name)?.[1];
  return found === undefined ? undefined : Number(found);
}

function digits(number: number): string {
  return String(number).padStart(SEQUENCE_DIGITS, '0');
}
