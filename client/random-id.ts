// Random letters for Workflow Ids: 10 of a-z0-9 are 51 bits, so that ids meet neither by chance nor by guess.
import { randomInt } from 'node:crypto';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 10;

export function randomLetters(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('');
}
