// A drill: VMs come back from their backup in a network of the drill's own, one after another; each is awaited,
// pictured, timed and removed; a report says how it went. docs/ARCHITECTURE.md tells the whole of it.
//
//   open → network → (session → guest → picture → stop) for each VM → network removed → report
//
// Whatever fails or is cancelled, the sessions are stopped and the network is removed before the report is
// written. A VM that does not come up makes a failed drill, and the Workflow completes: its result is the report.
// It fails itself only where there is no report, and ends as cancelled, with a report, when it was cancelled.
import { CancellationScope, defineQuery, defineSignal, setHandler, workflowInfo } from '@temporalio/workflow';
import {
  DEFAULT_STEP_TIMEOUT_MS,
  type DrillInput,
  DrillMessage,
  type DrillReport,
  type DrillReportFiles,
  type DrillResult,
  type DrillStatus,
  drillInputSchema,
  drillOfWorkflow,
  drillPortGroup,
  SESSION_NEWS_SIGNAL,
  type SessionNews,
  targetSubject,
} from '../../contract/index.ts';
import { startSteps, undoSteps } from '../activities-of.ts';
import { type Compensations, compensations } from '../compensation.ts';
import { cancelled, failureFrom, reasonOf } from '../failure.ts';
import { notUndone } from '../left-behind.ts';
import { sayWaiting } from '../undo-words.ts';
import { type Drill, openNewsDesk } from './drill-parts.ts';
import { drillRecord } from './drill-record.ts';
import { drillVm } from './drill-vm.ts';

const statusQuery = defineQuery<DrillStatus>(DrillMessage.status);
const newsSignal = defineSignal<[SessionNews]>(SESSION_NEWS_SIGNAL);
/** A full disk may be emptied; a report that can't be written for so long is a failure. */
const REPORT_TIMEOUT_MS = 600_000;

/** Query `status`; see contract/drill.ts. */
export async function drill(argument: DrillInput): Promise<DrillResult> {
  const startedAt = new Date().toISOString();
  const { input, drillId } = parse(argument);
  const record = drillRecord(input, drillId);
  const news = openNewsDesk();
  const self: Drill = { input, drillId, record, news, leftBehind: [] };
  setHandler(statusQuery, () => record.status());
  setHandler(newsSignal, (each) => news.take(each));

  const undo = compensations();
  const told: Told = { startedAt, host: undefined, reason: undefined };
  let error: unknown;
  try {
    await rehearse(self, undo, told);
  } catch (thrown) {
    error = thrown;
    told.reason = reasonOf(thrown, record.status().step).message;
    record.say(`The drill ends early: ${told.reason}`, 'error');
  }
  return CancellationScope.nonCancellable(async () => {
    record.state('cleaning');
    await clean(self, undo);
    const report = reportOf(self, told);
    const files = await write(self, report);
    record.state(cancelled(error) ? 'cancelled' : report.verdict);
    record.say(
      `The drill ${report.verdict}. Report: ${files.html}`,
      report.verdict === 'passed' ? 'info' : 'error',
    );
    if (cancelled(error)) throw error;
    return { report, files };
  });
}

/** What the report says of the drill as a whole. */
interface Told {
  readonly startedAt: string;
  host: string | undefined;
  reason: string | undefined;
}

/** The name in the input is the id's: it decides for whom the secrets were sealed. */
function parse(argument: DrillInput): { input: DrillInput; drillId: string } {
  const { workflowId } = workflowInfo();
  const identity = drillOfWorkflow(workflowId);
  const parsed = drillInputSchema.safeParse(argument);
  const issues = parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  if (identity === undefined || (parsed.success && parsed.data.name !== identity.name)) {
    issues.push(`the Workflow Id ${workflowId} is not that of the drill`);
  }
  if (!parsed.success || identity === undefined || issues.length > 0) {
    throw failureFrom({ type: 'InvalidInput', message: issues.join('; '), details: [] });
  }
  return { input: parsed.data, drillId: identity.drillId };
}

async function rehearse(self: Drill, undo: Compensations, told: Told): Promise<void> {
  const { input, drillId, record } = self;
  const { target, placement, reportFolder } = input;
  const steps = startSteps(input.site, input.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS);
  const { host } = await steps.openDrill({ drillId, target, placement, reportFolder });
  told.host = host.name;
  record.step('makeDrillNetwork');
  const network = { drillId, target, host };
  undo.push({
    name: "remove the drill's network",
    run: () => undoSteps(input.site).removeDrillNetwork(network),
  });
  await steps.makeDrillNetwork(network);
  record.say(`Network ${drillPortGroup(drillId)} stands on host ${host.name}, on a vSwitch without uplink`);
  for (const index of input.vms.keys()) await drillVm(self, host, index);
}

async function clean({ record, leftBehind }: Drill, undo: Compensations): Promise<void> {
  record.step('clean up');
  const undone = await undo.undo({
    onWaiting: sayWaiting(record),
    onDone: (name) => record.say(`Done: ${name}`),
  });
  leftBehind.push(...notUndone(undone));
}

function reportOf({ input, drillId, record, leftBehind }: Drill, told: Told): DrillReport {
  const { vms } = record.status();
  const passed =
    told.reason === undefined && leftBehind.length === 0 && vms.every(({ verdict }) => verdict === 'passed');
  return {
    version: 1,
    drillId,
    name: input.name,
    verdict: passed ? 'passed' : 'failed',
    ...(told.reason === undefined ? {} : { reason: told.reason }),
    startedAt: told.startedAt,
    endedAt: new Date().toISOString(),
    site: input.site,
    target: targetSubject(input.target),
    ...(told.host === undefined ? {} : { host: told.host }),
    vault: input.source.vault,
    backupSet: input.source.backupSet,
    portGroup: drillPortGroup(drillId),
    ...(input.rtoMs === undefined ? {} : { rtoMs: input.rtoMs }),
    vms: [...vms],
    leftBehind: [...leftBehind],
  };
}

async function write({ input, drillId, record }: Drill, report: DrillReport): Promise<DrillReportFiles> {
  record.step('writeDrillReport');
  const { reportFolder } = input;
  try {
    return await startSteps(input.site, REPORT_TIMEOUT_MS).writeDrillReport({
      drillId,
      report,
      reportFolder,
    });
  } catch (error) {
    const reason = reasonOf(error, 'writing the report');
    const message = `The drill ${report.verdict}, and its report is not written: ${reason.message}`;
    record.state('failed');
    record.say(message, 'error');
    throw failureFrom({ ...reason, message });
  }
}
