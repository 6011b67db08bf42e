// Looks at everything that a start needs before anything is touched, and answers with all findings at once.
// A fault that may pass is tried again twice; then it is a finding like the others: nothing was touched, so a
// person had better know now.
import { type PreflightResult, type StartInput, startInputSchema } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { assertNetworkOf } from '../drill/isolation.ts';
import { parsed } from '../parsed.ts';
import type { Step } from '../step.ts';
import { assertOwnSession } from '../target.ts';
import { lookAtBackup } from './backup-look.ts';
import { failureForFindings, findings } from './findings.ts';
import { lookAtGateway } from './gateway-look.ts';
import { lookAtTarget } from './target-look.ts';

const MAX_ATTEMPTS = 3;

export async function preflight(deps: ActivityDeps, raw: StartInput, step: Step): Promise<PreflightResult> {
  const input = parsed(startInputSchema, raw);
  assertOwnSession(step, input.sessionId);
  assertNetworkOf(input.sessionId, input.placement.network);
  const found = findings(step.attempt < MAX_ATTEMPTS);
  const backup = await lookAtBackup(deps, input, step, found);
  const gateway = await lookAtGateway(deps, input, backup?.provisionedBytes, found);
  const target = await lookAtTarget(deps, input, step, { backup, gateway }, found);
  const failure = failureForFindings(found.all);
  if (failure !== undefined) throw failure;
  if (backup === undefined || target === undefined) throw new Error('preflight ended without an answer');
  const { host, folder, resourcePool } = target.place;
  return {
    jobId: backup.jobId,
    provisionedBytes: backup.provisionedBytes,
    placement: {
      targetId: target.targetId,
      host: { moref: host.moref, name: host.name },
      folder,
      resourcePool,
      datastore: target.datastore,
      vmName: input.placement.name ?? backup.vmName,
      allow: [...new Set([...host.vmknicAddresses, ...deps.allow])],
      cards: target.cards,
      origin: backup.origin,
      ...(target.changes === undefined ? {} : { changes: target.changes }),
    },
    warnings: found.all.filter(({ severity }) => severity === 'warning'),
  };
}
