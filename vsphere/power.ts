// Power of a VM. A power-on may stop at a question of the host, and waits there until it is answered; the one
// that every VM from a copied folder meets, whether it was moved or copied, is answered by the caller's choice.
import { VsphereError } from './errors.ts';
import { readObject } from './property-collector.ts';
import type { Session } from './session.ts';
import { awaitTask, outwaitTasks, runningTaskOfVm, runningTasks, runTask } from './tasks.ts';
import type { CallOptions, PowerOnOptions, TaskOptions, VmQuestion, VmState } from './types.ts';
import { answerVm, vmRef, waitForVm } from './virtual-machines.ts';

/** The question whether the VM was moved or copied. */
const MOVED_OR_COPIED = 'msg.uuid.altered';
/** The question of a VM whose write found no space: it stands still until that is answered. */
const OUT_OF_SPACE = 'msg.hbacommon.outofspace';
const TERMINATE = /abort|cancel/i;
const TERMINATE_LIMIT_MS = 60_000;
const SUSPEND = ['VirtualMachine.suspend'];
const CHOICES = { moved: /moved/i, copied: /copied/i } as const;

export async function powerOnVm(session: Session, vm: string, options: PowerOnOptions): Promise<void> {
  const ended = new AbortController();
  const signal =
    options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal]);
  const powering = powerOn(session, vm, { ...options, signal });
  const answering = answerQuestions(session, vm, { ...options, signal });
  try {
    // Answering ends by itself only by failing, and a power-on whose questions nobody sees might never end.
    await Promise.race([powering, answering]);
  } finally {
    ended.abort();
    await Promise.allSettled([powering, answering]);
  }
}

export async function powerOffVm(session: Session, vm: string, options: TaskOptions = {}): Promise<void> {
  try {
    await runTask(session, 'PowerOffVM_Task', vmRef(vm), {}, options);
  } catch (error) {
    if (await hasPower(session, vm, error, 'poweredOff', options)) return;
    if (!(await terminates(session, vm, error, options))) throw error;
  }
}

/** A VM that waits for space can't be powered off, but by its question. Whether it was off after that. */
async function terminates(
  session: Session,
  vm: string,
  error: unknown,
  { signal }: CallOptions,
): Promise<boolean> {
  if (!(error instanceof VsphereError)) return false;
  const options = { signal, timeoutMs: TERMINATE_LIMIT_MS };
  const question = (await waitForVm(session, vm, () => true, options))?.question;
  const choice = question?.choices.find(({ label, summary }) => TERMINATE.test(`${label} ${summary}`));
  if (question === undefined || choice === undefined) return false;
  if (!question.messageIds.includes(OUT_OF_SPACE) && !question.text.includes(OUT_OF_SPACE)) return false;
  await answerVm(session, vm, question.id, choice.key, { signal });
  const off = await waitForVm(session, vm, ({ powerState }) => powerState === 'poweredOff', options);
  return off !== undefined;
}

export async function shutdownGuest(session: Session, vm: string, options: CallOptions = {}): Promise<void> {
  try {
    await session.call('ShutdownGuest', vmRef(vm), {}, options);
  } catch (error) {
    if (!(await hasPower(session, vm, error, 'poweredOff', options))) throw error;
  }
}

export async function resetVm(session: Session, vm: string, options: TaskOptions = {}): Promise<void> {
  await runTask(session, 'ResetVM_Task', vmRef(vm), {}, options);
}

export async function suspendVm(session: Session, vm: string, options: TaskOptions = {}): Promise<void> {
  const what = `Suspending VM ${vm} at ${session.address}`;
  const running = await runningTaskOfVm(session, vm, SUSPEND, what, options);
  if (running !== undefined) {
    await awaitTask(session, running, what, options);
    return;
  }
  try {
    await runTask(session, 'SuspendVM_Task', vmRef(vm), {}, options);
  } catch (error) {
    if (!(await hasPower(session, vm, error, 'suspended', options))) throw error;
  }
}

async function powerOn(session: Session, vm: string, options: TaskOptions): Promise<void> {
  const what = `Powering on VM ${vm} at ${session.address}`;
  // A VM on its way down still shows as powered on, and would be suspended a moment later.
  const suspending = await runningTaskOfVm(session, vm, SUSPEND, what, options);
  if (suspending !== undefined) await outwaitTasks(session, [suspending], what, options);
  const found = await readObject(session, vmRef(vm), ['runtime.powerState', 'recentTask'], options);
  const recent = found?.read.recentTask ?? [];
  const running = await runningTasks(session, recent, ['VirtualMachine.powerOn'], options.signal);
  const last = running.at(-1);
  if (last !== undefined) {
    await outwaitTasks(session, running.slice(0, -1), what, options);
    await awaitTask(session, last, what, options);
    return;
  }
  if (found?.read['runtime.powerState'] === 'poweredOn') return;
  try {
    await runTask(session, 'PowerOnVM_Task', vmRef(vm), {}, options);
  } catch (error) {
    if (!(await hasPower(session, vm, error, 'poweredOn', options))) throw error;
  }
}

/** Whether the call failed only because the VM is in that state already. */
async function hasPower(
  session: Session,
  vm: string,
  error: unknown,
  powerState: 'poweredOn' | 'poweredOff' | 'suspended',
  options: CallOptions,
): Promise<boolean> {
  if (!(error instanceof VsphereError) || error.code !== 'InvalidPowerState') return false;
  const found = await readObject(session, vmRef(vm), ['runtime.powerState'], options);
  return found?.read['runtime.powerState'] === powerState;
}

/** Deals with each question once, until its signal ends it. */
async function answerQuestions(session: Session, vm: string, options: PowerOnOptions): Promise<never> {
  const { signal } = options;
  const seen = new Set<string>();
  const isNew = ({ question }: VmState): boolean => question !== undefined && !seen.has(question.id);
  for (;;) {
    const state = await waitForVm(session, vm, isNew, { signal, timeoutMs: Number.POSITIVE_INFINITY });
    const question = state?.question;
    if (question === undefined) continue;
    seen.add(question.id);
    const choice = choiceFor(question, options.movedOrCopied);
    if (choice === undefined) options.onQuestion?.(question);
    else await answerVm(session, vm, question.id, choice, { signal });
  }
}

/**
 * By its words (`button.uuid.movedTheVM`, `I _moved it`): the keys are numbers that differ between versions.
 * Undefined for a question that is not ours.
 */
function choiceFor(question: VmQuestion, movedOrCopied: 'moved' | 'copied'): string | undefined {
  const isOurs = question.messageIds.includes(MOVED_OR_COPIED) || question.text.includes(MOVED_OR_COPIED);
  if (!isOurs) return undefined;
  return question.choices.find((each) => CHOICES[movedOrCopied].test(`${each.label} ${each.summary}`))?.key;
}
