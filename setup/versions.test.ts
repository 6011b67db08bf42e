import { expect, test } from 'vitest';
import { isAtLeast } from './machine.ts';
import { isNewEnough } from './temporal.ts';

test('a Temporal CLI counts by the server that it brings', () => {
  expect(isNewEnough('temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)')).toBe(true);
  expect(isNewEnough('temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)')).toBe(true);
  expect(isNewEnough('temporal version 2.0.0 (Server 2.0.0, UI 3.0.0)')).toBe(true);
  expect(isNewEnough('temporal version 1.1.0 (Server 1.25.0, UI 2.30.0)')).toBe(false);
  expect(isNewEnough('something else')).toBe(false);
});

test('Go versions are compared by number', () => {
  expect(isAtLeast('1.26.8', '1.26')).toBe(true);
  expect(isAtLeast('1.27', '1.26')).toBe(true);
  expect(isAtLeast('2.0', '1.26')).toBe(true);
  expect(isAtLeast('1.9.7', '1.26')).toBe(false);
  expect(isAtLeast('1.26rc1', '1.26')).toBe(true);
});
