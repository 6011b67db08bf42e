// What preflight found, gathered from all who look. Each finding names its way out; a script reads the code,
// which is a failure's type wherever there is one for it.
import type { ApplicationFailure } from '@temporalio/common';
import { isFailureType, type PreflightFinding, policyOf } from '../../contract/index.ts';
import { failureTypeOf, nonRetryable } from '../failures.ts';

export interface Findings {
  error(code: string, message: string): void;
  warning(code: string, message: string): void;
  /** Runs one look; an error of it is a finding, and its answer undefined. */
  look<T>(what: () => Promise<T>): Promise<T | undefined>;
  readonly all: readonly PreflightFinding[];
}

/** @param mayPass decides what becomes of a passing fault (target away): thrown for a retry, or a finding. */
export function findings(mayRetry: boolean): Findings {
  const all: PreflightFinding[] = [];
  return {
    all,
    error: (code, message) => all.push({ severity: 'error', code, message }),
    warning: (code, message) => all.push({ severity: 'warning', code, message }),
    look: async (what) => {
      try {
        return await what();
      } catch (error) {
        const code = failureTypeOf(error);
        if (mayRetry && policyOf(code).retryable) throw error;
        all.push({
          severity: 'error',
          code,
          message: error instanceof Error ? error.message : String(error),
        });
        return undefined;
      }
    },
  };
}

/** One finding fails with its own type, so that a script reads it; several fail together, with all their words. */
export function failureForFindings(all: readonly PreflightFinding[]): ApplicationFailure | undefined {
  const errors = all.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  if (first === undefined) return undefined;
  const type = errors.length === 1 && isFailureType(first.code) ? first.code : 'PreflightFailed';
  const message =
    errors.length === 1
      ? first.message
      : `${errors.length} findings: ${errors.map((each, index) => `(${index + 1}) ${each.message}`).join(' ')}`;
  return nonRetryable(type, message, { findings: all });
}
