// Makes a running session's changes a job of its backup set: from one moment, without a pause of the guest, and in
// whole or not at all. The gateway holds that moment and the set's key; here it is read, and written to the vault.
//
// The moment is taken, and the VM looked at then: as it still is the session's, no write that was acknowledged before
// the moment went elsewhere. It is looked at before, too: one that is gone has taken files with it, which would be
// waited for. What dies on the way leaves no job, and the next attempt takes a
// new moment; one that died after the job was made finds it by its keepId.
import type { KeepProgress, KeepResult, KeepSessionInput } from '../contract/index.ts';
import type { OpenPoint } from '../gateway/index.ts';
import type { BackupSource, SourceDisk } from '../vault/index.ts';
import type { ActivityDeps } from './deps.ts';
import { failureFor } from './failures.ts';
import { inspectVm } from './inspect-vm.ts';
import type { Step } from './step.ts';
import { assertOwnSession } from './target.ts';
import { throttledReport } from './throttled-report.ts';

type Deps = Pick<ActivityDeps, 'vaults' | 'gateway' | 'siteKey' | 'targets'>;

export async function keepSession(deps: Deps, input: KeepSessionInput, step: Step): Promise<KeepResult> {
  assertOwnSession(step, input.sessionId);
  await assertRunsHere(deps, input, step);
  const keep = (point: OpenPoint): Promise<KeepResult> => keepPoint(deps, input, point, step);
  return deps.gateway.withPoint(input.sessionId, keep, step.signal);
}

async function keepPoint(
  deps: Deps,
  input: KeepSessionInput,
  point: OpenPoint,
  step: Step,
): Promise<KeepResult> {
  const startedAtMs = Date.now();
  const { sessionId, keepId } = input;
  await assertRunsHere(deps, input, step);
  const { vault: location, backupSet, jobId: baseJobId, setKey } = point.source;
  const vault = await deps.vaults.open(location);
  const set = await vault.openSetWithKey(backupSet, Buffer.from(setKey, 'base64'));
  const reports = throttledReport(step);
  const job = await set.backup([sourceOf(point)], {
    keptFrom: { sessionId, baseJobId, at: point.at, keepId },
    signal: step.signal,
    onProgress: ({ doneBytes, totalBytes, storedBytes }) => {
      const progress: KeepProgress = { doneBytes, totalBytes, storedBytes };
      reports.tell(totalBytes === 0 ? 0 : doneBytes / totalBytes, { kind: 'keep', ...progress });
    },
  });
  await reports.settled();
  return {
    ...{ sessionId, vault: location, backupSet, job, baseJobId },
    // Of the job that is there: an earlier attempt may have made it.
    at: job.keptFrom?.at ?? point.at,
    readBytes: point.disks.reduce((sum, { changedBytes }) => sum + changedBytes, 0),
    durationMs: Date.now() - startedAtMs,
  };
}

async function assertRunsHere(deps: Deps, input: KeepSessionInput, step: Step): Promise<void> {
  const { standing, detail } = await inspectVm(deps, input, step);
  if (standing === 'ours') return;
  throw failureFor(
    standing === 'moved' ? 'VmMoved' : 'NotOurs',
    `The VM of ${input.sessionId} is not as the session left it (${detail}): what is here may not be its state any ` +
      'more, so it is not kept. Back it up where it is',
  );
}

function sourceOf(point: OpenPoint): BackupSource {
  const { source, disks, files } = point;
  return {
    vmName: source.vmName,
    baseJobId: source.jobId,
    files: files.map(({ name, contents }) => ({ name, bytes: Buffer.from(contents, 'base64') })),
    disks: disks.map((disk) => diskOf(point, disk)),
    // Nothing of that moment changes.
    assertUnchanged: () => Promise.resolve(),
  };
}

function diskOf(point: OpenPoint, { name, sizeBytes, changedBytes }: OpenPoint['disks'][number]): SourceDisk {
  return {
    name,
    sizeBytes,
    read: (offsetBytes, into) => point.read(name, offsetBytes, into),
    changes: { totalBytes: changedBytes, ranges: () => point.changes(name) },
  };
}
