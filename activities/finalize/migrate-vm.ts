// Has the target migrate the session's VM, and follows until every file of it is read back on the plan's
// datastore. The work is the target's: a worker that ends, or is told to, leaves it running, and the next attempt
// goes on with the same task. What the target refuses or gives up is final here; only a target that is away, or
// busy with the VM, is waited for.
import { type MigrateVmInput, placeWords, type SessionReport } from '../../contract/index.ts';
import { type Vm, type Vsphere, VsphereError } from '../../vsphere/index.ts';
import { connectCards } from '../connect-cards.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor, failureTypeOf, nonRetryable } from '../failures.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { throttledReport } from '../throttled-report.ts';
import { hasMark } from '../vm-standing.ts';
import { filesElsewhere } from './arrival.ts';
import { migrationProgress } from './migration-progress.ts';
import { relocateSpec } from './relocate-spec.ts';

/** A person watches: every per cent is worth a word, as far as it does not come by the second. */
const REPORT_SHARE = 0.01;

export async function migrateVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: MigrateVmInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    const vm = await read(vsphere, input, step);
    if (!hasMark(vm, input.sessionId)) {
      throw failureFor(
        'NotOurs',
        `${vm.name} (${vm.moref}) does not carry the session's mark: it is not migrated`,
      );
    }
    // Its files are called as the VM is when it goes.
    const { rename, cards } = input.plan;
    if (rename !== undefined) await vsphere.renameVm(vm.moref, rename.to, { signal: step.signal });
    await relocate(vsphere, vm, input, step);
    const arrived = await read(vsphere, input, step);
    assertArrived(arrived, input);
    await connectCards(vsphere, arrived, cards ?? [], step);
  });
}

async function relocate(vsphere: Vsphere, vm: Vm, { plan }: MigrateVmInput, step: Step): Promise<void> {
  const progress = migrationProgress(plan.totalBytes);
  const reports = throttledReport(step, { minShare: REPORT_SHARE });
  const onProgress = (percent: number): void => {
    const report: SessionReport = { kind: 'migration', ...progress(percent) };
    reports.tell(percent / 100, report);
  };
  try {
    // Without a `signal`: whoever wants the target to give up says so by endMigration.
    await vsphere.relocateVm(vm.moref, relocateSpec(plan, vm), { onProgress, detach: step.signal });
  } catch (error) {
    throw finalUnlessAway(error, vm);
  } finally {
    await reports.settled();
  }
}

function finalUnlessAway(error: unknown, { name }: Vm): unknown {
  if (!(error instanceof VsphereError)) return error;
  if (error.code === 'TargetUnavailable' || error.code === 'TaskInProgress') return error;
  if (error.code === 'Cancelled') {
    return nonRetryable('FinalizeCancelled', `somebody cancelled the migration of ${name} at the target`);
  }
  const type = failureTypeOf(error);
  return nonRetryable(type === 'Unexpected' ? 'MigrationFailed' : type, error.message);
}

async function read(vsphere: Vsphere, { moref }: MigrateVmInput, { signal }: Step): Promise<Vm> {
  const vm = await vsphere.readVm(moref, { signal });
  if (vm === undefined) throw failureFor('NotFound', `${moref} is not in the target's inventory any more`);
  return vm;
}

function assertArrived(vm: Vm, { plan }: MigrateVmInput): void {
  const elsewhere = filesElsewhere(vm, plan);
  if (elsewhere.length === 0) return;
  throw failureFor(
    'MigrationFailed',
    `The target says that ${vm.name} is migrated to ${placeWords(plan)}, and some of it lies ` +
      `elsewhere: ${elsewhere.join(', ')}`,
  );
}
