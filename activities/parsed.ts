// Input from outside is parsed once, at the edge: a Workflow can be started by anybody who reaches Temporal.
import type { z } from 'zod';
import { failureFor } from './failures.ts';

/** Throws InvalidInput, which names each field and never shows its value. */
export function parsed<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw failureFor('InvalidInput', issues.join('; '));
}
