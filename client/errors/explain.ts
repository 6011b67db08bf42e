// Errors in words: what was tried, what failed, the way out, and the exit code. Temporal wraps what happened at a
// site in layers (Workflow failed ← Activity failed ← ApplicationFailure); a person wants the innermost that
// names a type of the contract.
import {
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import {
  ApplicationFailure,
  CancelledFailure,
  NamespaceNotFoundError,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/common';
import { z } from 'zod';
import { isFailureType, type PreflightFinding } from '../../contract/index.ts';
import { ClientError } from './client-error.ts';
import { ExitCode } from './exit-code.ts';
import { hints } from './hints.ts';

/** An error as it is shown, and as `--json` prints it. */
export interface Explanation {
  /** A FailureType of the contract, or a ClientErrorCode. */
  readonly type: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly findings: readonly PreflightFinding[];
  readonly exitCode: ExitCode;
}

const MAX_CAUSES = 16;

/** The error and its causes, outermost first. */
function chainOf(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let link = error; link !== undefined && link !== null && chain.length < MAX_CAUSES; ) {
    chain.push(link);
    link = link instanceof Error ? link.cause : undefined;
  }
  return chain;
}

const findingsSchema = z.array(
  z.object({ severity: z.enum(['error', 'warning']), code: z.string(), message: z.string() }),
);

/** Preflight's findings travel in the failure's details. */
function findingsOf(failure: ApplicationFailure): PreflightFinding[] {
  for (const detail of failure.details ?? []) {
    const candidate: unknown =
      typeof detail === 'object' && detail !== null && 'findings' in detail ? detail.findings : detail;
    const parsed = findingsSchema.safeParse(candidate);
    if (parsed.success) return parsed.data;
  }
  return [];
}

function failed(type: string, message: string, hint: string | undefined): Explanation {
  return { type, message, hint, findings: [], exitCode: ExitCode.failed };
}

function explainFailure(chain: readonly unknown[]): Explanation | undefined {
  const failures = chain.filter((link) => link instanceof ApplicationFailure);
  const failure =
    failures.findLast(({ type }) => typeof type === 'string' && isFailureType(type)) ?? failures.at(-1);
  if (failure === undefined) return undefined;
  const type = failure.type ?? 'Unexpected';
  const hint = isFailureType(type) ? hints[type] : hints.Unexpected;
  return { ...failed(type, failure.message, hint), findings: findingsOf(failure) };
}

function explainEnding(chain: readonly unknown[]): Explanation | undefined {
  if (chain.some((link) => link instanceof TerminatedFailure)) {
    return failed(
      'Terminated',
      'the Workflow was terminated in Temporal, so nothing was undone',
      'See what is left with: rundirect orphans; remove it with: rundirect clean-up SESSION',
    );
  }
  if (chain.some((link) => link instanceof CancelledFailure)) {
    return failed('Cancelled', 'it was cancelled, and what it had begun was undone', undefined);
  }
  if (chain.some((link) => link instanceof TimeoutFailure)) {
    return failed('TimedOut', 'it did not end within its time limit', hints.Unexpected);
  }
  return undefined;
}

function explainClientError(error: ClientError): Explanation {
  const exitCodes: Partial<Record<ClientError['code'], ExitCode>> = {
    Usage: ExitCode.usage,
    Interrupted: ExitCode.interrupted,
  };
  return {
    ...failed(error.code, error.message, error.hint),
    exitCode: exitCodes[error.code] ?? ExitCode.failed,
  };
}

const NAMESPACE_MISSING = /^5 NOT_FOUND: Namespace (\S+) is not found/;

/** Some calls have an error of their own for it; the others are told as Temporal's server says it. */
function missingNamespace(chain: readonly unknown[]): string | undefined {
  const told = chain.find((link) => link instanceof NamespaceNotFoundError);
  if (told !== undefined) return told.namespace;
  const messages = chain.flatMap((link) => (link instanceof Error ? [link.message] : []));
  return messages.map((message) => NAMESPACE_MISSING.exec(message)?.[1]).find((name) => name !== undefined);
}

const SEARCH_ATTRIBUTES_MISSING = /search attribute/i;

/** What Temporal itself answered, where it was neither the site nor us. */
function explainService(chain: readonly unknown[]): Explanation {
  const deepest = chain.findLast((link) => link instanceof Error) ?? new Error(String(chain[0]));
  if (SEARCH_ATTRIBUTES_MISSING.test(deepest.message)) {
    return failed(
      'TemporalMisconfigured',
      `Temporal does not know a search attribute: ${deepest.message}`,
      'A worker that may do so registers them at its start; else: temporal operator search-attribute create ' +
        '--name RunDirectVm --type Keyword (likewise RunDirectState, …Site, …Target, …BackupSet).',
    );
  }
  return failed('Unexpected', deepest.message, undefined);
}

/** Puts any error into words. `error` is whatever was thrown; `session` what the command was about, for the hints. */
export function explain(error: unknown, session = 'SESSION'): Explanation {
  const explanation = explainAny(error);
  return { ...explanation, hint: explanation.hint?.replaceAll(/\bSESSION\b/g, () => session) };
}

function explainAny(error: unknown): Explanation {
  const chain = chainOf(error);
  const own = chain.find((link) => link instanceof ClientError);
  if (own !== undefined) return explainClientError(own);
  const namespace = missingNamespace(chain);
  if (namespace !== undefined) {
    return failed(
      'TemporalMisconfigured',
      `Temporal has no namespace ${namespace}`,
      'Name the right one with TEMPORAL_NAMESPACE or a profile, or create it.',
    );
  }
  if (chain.some((link) => link instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) {
    return failed(
      'NoAnswer',
      'the session did not answer in time',
      'See whether a worker runs: rundirect worker',
    );
  }
  const fromSite = chain.some(
    (link) => link instanceof WorkflowFailedError || link instanceof WorkflowUpdateFailedError,
  );
  return explainFailure(chain) ?? (fromSite ? explainEnding(chain) : undefined) ?? explainService(chain);
}
