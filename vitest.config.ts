// Unit tests stand beside their source; test/ holds what needs the whole house. `npm test` runs both, as many files
// at a time as there are cores, and three at the least: a file that starts a house waits for most of its time, for a
// guest that boots or a dead worker to be noticed. Those come first, so that the short ones fill what they leave.
// The long ones measure, so each has the machine for itself.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const MIN_FILES_AT_A_TIME = 3;
/** Each may hold a house with its guests: 1.5 GiB of memory. */
const MAX_FILES_AT_A_TIME = 4;
const maxWorkers = Math.min(Math.max(availableParallelism(), MIN_FILES_AT_A_TIME), MAX_FILES_AT_A_TIME);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: ['node_modules/**', 'test/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          maxWorkers,
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/long/**/*.test.ts'],
          testTimeout: 3_600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
