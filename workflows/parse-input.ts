// A Workflow's argument, checked before anything is done with it.
import type { z } from 'zod';
import { failureFrom } from './failure.ts';

/** Fails with InvalidInput and what is wrong with each field. */
export function parseInput<T>(schema: z.ZodType<T>, argument: unknown): T {
  const parsed = schema.safeParse(argument);
  if (parsed.success) return parsed.data;
  const message = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  throw failureFrom({ type: 'InvalidInput', message, details: [] });
}
