// Power on, as a session does it, and what the gateway then sees: whether the host asked if the VM was moved or
// copied, whether the guest's writes arrive, how stable the host wants them, and what else it writes.
import { type ProvePrimitive, type ProveRow, type ProveStepInput } from '../../contract/index.ts';
import type { ExportFile } from '../../gateway/index.ts';
import type { Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { powerOnVm } from '../power-on-vm.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { TINY_DISK, TINY_FLAT, TINY_VM } from './tiny-vm.ts';
import { type Trial, trial, Unmet } from './trial.ts';
import { awaitGuestWrites, countOf } from './watch-files.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>;

const PUBLISHED: ReadonlySet<string> = new Set([`${TINY_VM}.vmx`, TINY_DISK, TINY_FLAT]);
const ROWS: readonly ProvePrimitive[] = ['powerOn', 'noQuestion', 'guestWrites', 'fileSync', 'filesBeside'];

export async function provePower(
  deps: Deps,
  input: ProveStepInput,
  step: Step,
): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  const tried = trial(step);
  if (await powerOn(deps, input, step, tried)) {
    const { gateway } = deps;
    await tried.attempt('guestWrites', async (signal) => {
      return `${await awaitGuestWrites(gateway, input.sessionId, signal)} WRITE(s) to its disk`;
    });
    await tried.attempt('fileSync', async () => stabilityOf(await gateway.files(input.sessionId)));
    await tried.attempt('filesBeside', async () => besideOf(await gateway.files(input.sessionId)));
  }
  return tried.rows(ROWS);
}

/** A question is answered, as in a session; here it is told, too. */
async function powerOn(deps: Deps, input: ProveStepInput, step: Step, tried: Trial): Promise<boolean> {
  return withTarget(deps, step, input.target, async (vsphere) => {
    const over = new AbortController();
    const asked = firstQuestion(vsphere, input.moref, over.signal);
    try {
      const isOn = await tried.attempt('powerOn', async (signal) => {
        await powerOnVm(deps, input, { ...step, signal });
        return 'it is on';
      });
      if (!isOn) return false;
      await tried.attempt('noQuestion', async () => {
        const question = await asked;
        if (question === undefined) return 'it did not ask';
        throw new Unmet(`the host asked all the same, and was answered: ${question}`);
      });
      return true;
    } finally {
      over.abort();
      await asked.catch(() => undefined);
    }
  });
}

/** Undefined when the VM came up without one. */
async function firstQuestion(
  vsphere: Vsphere,
  moref: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const state = await vsphere.waitForVm(
    moref,
    ({ question, powerState }) => question !== undefined || powerState === 'poweredOn',
    { timeoutMs: Number.POSITIVE_INFINITY, signal },
  );
  return state?.question?.text;
}

function stabilityOf(files: readonly ExportFile[]): string {
  const all = files.reduce((sum, file) => sum + countOf(file), 0);
  const unstable = files.filter(({ writes }) => writes.unstable > 0);
  if (unstable.length === 0) return `all ${all} WRITEs`;
  const names = unstable.map(({ name, writes }) => `${name} (${writes.unstable})`).join(', ');
  throw new Unmet(`some of ${all} WRITEs were UNSTABLE: ${names}. The gateway keeps both`);
}

function besideOf(files: readonly ExportFile[]): string {
  const others = files.filter(({ name }) => !PUBLISHED.has(name));
  return others.length === 0 ? 'nothing' : others.map(({ name }) => name).join(', ');
}
