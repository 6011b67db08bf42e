// Preflight of several VMs at once: everything that it finds is known before anything is touched, the backup set is
// unlocked once, and a password that is wrong is tried once, not for each VM, so that no account is locked. The room
// for changes, and the room where they are to be migrated to, is asked for all of them together. Each session that is
// then started looks again for itself: it is the gateway that reserves, when it publishes.
import {
  type BatchInput,
  type BatchPreflightResult,
  batchInputSchema,
  type FailureType,
  type StartInput,
} from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { parsed } from '../parsed.ts';
import { type BackupLook, lookAtBackup } from '../preflight/backup-look.ts';
import { type Findings, failureForFindings, findings } from '../preflight/findings.ts';
import { lookAtGateway } from '../preflight/gateway-look.ts';
import { lookAtTarget } from '../preflight/target-look.ts';
import { unlockSource } from '../source.ts';
import type { Step } from '../step.ts';

const MAX_ATTEMPTS = 3;

/** What is wrong with the target is wrong for all VMs: the others are not tried. */
const ofTheTarget: ReadonlySet<string> = new Set<FailureType>([
  'InvalidLogin',
  'CertificateMismatch',
  'LicenceRestricted',
  'NoPermission',
  'TargetUnavailable',
]);

/** One VM, and what was found of it. */
interface Look {
  readonly input: StartInput;
  readonly found: Findings;
  readonly backup: BackupLook | undefined;
}

export async function preflightBatch(
  deps: ActivityDeps,
  raw: BatchInput,
  step: Step,
): Promise<BatchPreflightResult> {
  const input = parsed(batchInputSchema, raw);
  if (step.workflowId !== input.batchId) {
    throw failureFor('NotOurs', `Workflow ${step.workflowId} asked for the preflight of ${input.batchId}`);
  }
  const mayRetry = step.attempt < MAX_ATTEMPTS;
  const common = findings(mayRetry);
  const looks = await lookAtBackups(deps, input, step, mayRetry, common);
  await lookAtPlaces(deps, looks, step, common);
  refuseForAll(looks, common);
  return {
    vms: looks.map(({ input: { sessionId }, backup, found }) => {
      const failure = failureForFindings(found.all);
      return {
        sessionId,
        jobId: backup?.jobId,
        failure: failure && { type: failure.type ?? 'PreflightFailed', message: failure.message },
      };
    }),
  };
}

async function lookAtBackups(
  deps: ActivityDeps,
  input: BatchInput,
  step: Step,
  mayRetry: boolean,
  common: Findings,
): Promise<Look[]> {
  const inputs = input.sessions.map((session) => asOfBatch(input, session));
  const [first] = inputs;
  const set = first && (await common.look(() => unlockSource(deps, first.source, step)));
  const looks: Look[] = [];
  for (const each of inputs) {
    const found = findings(mayRetry);
    looks.push({
      input: each,
      found,
      backup: set && (await lookAtBackup(deps, each, step, found, { unlocked: set })),
    });
  }
  return looks;
}

/** A session as it will be, with the secrets that open here. */
function asOfBatch({ passphrase, password, autoMigrate }: BatchInput, session: StartInput): StartInput {
  const { source, target } = session;
  return {
    ...session,
    source: { ...source, passphrase },
    target: { ...target, password },
    ...(autoMigrate === undefined ? {} : { autoMigrate }),
  };
}

async function lookAtPlaces(
  deps: ActivityDeps,
  looks: readonly Look[],
  step: Step,
  common: Findings,
): Promise<void> {
  const [first] = looks;
  if (first === undefined) return;
  const startable = looks.filter(isStartable);
  const provisionedBytes = startable.reduce((sum, { backup }) => sum + (backup?.provisionedBytes ?? 0), 0);
  const gateway = await lookAtGateway(deps, first.input, provisionedBytes, common);
  for (const { input, found, backup } of looks) {
    const together = backup && { ...backup, provisionedBytes };
    await lookAtTarget(deps, input, step, { backup: together, gateway }, found);
    const ofAll = found.all.filter(({ severity, code }) => severity === 'error' && ofTheTarget.has(code));
    for (const { code, message } of ofAll) common.error(code, message);
    if (ofAll.length > 0) return;
  }
}

const isStartable = ({ found }: Look): boolean => found.all.every(({ severity }) => severity !== 'error');

/** Throws with all that was found where none can be started. */
function refuseForAll(looks: readonly Look[], common: Findings): void {
  const isForAll = common.all.some(({ severity }) => severity === 'error');
  if (!isForAll && looks.some(isStartable)) return;
  const told = new Set(common.all.map(({ message }) => message));
  const own = looks.flatMap(({ input, found }) =>
    found.all
      .filter(({ message }) => !told.has(message))
      .map((finding) => ({ ...finding, message: `${input.source.vmName}: ${finding.message}` })),
  );
  const failure = failureForFindings([...common.all, ...own]);
  if (failure !== undefined) throw failure;
}
