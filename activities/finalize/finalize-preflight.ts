// Looks at everything that a finalize needs before anything is touched, and answers with all findings at once:
// the VM is still the session's, the target can migrate it, the datastore has room, and the target's own check of
// the migration (licences, compatibility, devices) is clean.
import {
  type FinalizePlan,
  type FinalizeRequest,
  type FinalizeStepInput,
  finalizeRequestSchema,
  formatBytes,
  placeWords,
} from '../../contract/index.ts';
import type { Host, Inventory, Vm, Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { hostQuestion } from '../host-question.ts';
import { parsed } from '../parsed.ts';
import { type Findings, failureForFindings, findings } from '../preflight/findings.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { sightVm, standingAt } from '../vm-standing.ts';
import { lookAtCrossing, lookAtTools } from './crossing/crossing-look.ts';
import { lookAtLocation, type Mover } from './location.ts';
import { disksOf } from './recognise-original.ts';
import { relocateSpec } from './relocate-spec.ts';
import { firstPassable, lookAtRedirected, type Way, waysFor } from './ways.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>;

const MAX_ATTEMPTS = 3;

export async function finalizePreflight(
  deps: Deps,
  input: FinalizeStepInput,
  step: Step,
): Promise<FinalizePlan> {
  assertOwnSession(step, input.sessionId);
  const request = parsed(finalizeRequestSchema, input.request);
  const found = findings(step.attempt < MAX_ATTEMPTS);
  const plan = await found.look(() =>
    withTarget(deps, step, input.target, (vsphere) =>
      look(deps, vsphere, { ...input, request }, step, found, () => findings(step.attempt < MAX_ATTEMPTS)),
    ),
  );
  const failure = failureForFindings(found.all);
  if (failure !== undefined) throw failure;
  if (plan === undefined) throw new Error('the preflight of the finalize ended without an answer');
  return { ...plan, warnings: found.all };
}

type Chosen = Omit<FinalizePlan, 'warnings'>;

async function look(
  deps: Deps,
  vsphere: Vsphere,
  input: FinalizeStepInput,
  step: Step,
  found: Findings,
  openFindings: () => Findings,
): Promise<Chosen | undefined> {
  const { signal } = step;
  const vm = await vsphere.readVm(input.moref, { signal });
  if (vm === undefined) {
    const { standing, detail } = await sightVm(vsphere, input, input.moref, step);
    const what = standing === 'gone' ? 'somebody unregistered or deleted it' : detail;
    found.error(
      'NotFound',
      `The session's VM ${input.moref} is not in the target's inventory any more: ${what}. End the session with: rundirect ` +
        `stop ${input.sessionId}`,
    );
    return undefined;
  }
  await lookAtVm(vsphere, vm, input, step, found);
  const inventory = await vsphere.inventory({ signal });
  const host = inventory.hosts.find(({ moref }) => moref === vm.host);
  if (host === undefined) {
    found.error('NotFound', `${vm.name} runs on a host that the account can't see (${vm.host ?? 'none'})`);
    return undefined;
  }
  const ways = waysFor(input.request.vmotion, vm.powerState, vsphere.isVirtualCenter);
  const lookAt = ({ mode }: Pick<Way, 'mode'>, own: Findings): Promise<Chosen | undefined> =>
    lookAtWay(deps, vsphere, { inventory, host, vm, mode }, input, step, own);
  const passable = await firstPassable(ways, found, openFindings, lookAt);
  if (passable === undefined) {
    if (input.request.vmotion === 'auto' && vm.powerState === 'poweredOn') {
      const own = openFindings();
      const cold = await lookAt({ mode: 'cold' }, own);
      if (cold !== undefined && failureForFindings(own.all) === undefined) offerCold(vm, cold, found);
    }
    return undefined;
  }
  lookAtThrottle(vm, input.request, passable.way, found);
  const fallbacks = passable.rest.map(({ vmotion }) => vmotion);
  return { ...passable.answer, ...(fallbacks.length === 0 ? {} : { fallbacks }) };
}

interface Scene {
  readonly inventory: Inventory;
  readonly host: Host;
  readonly vm: Vm;
  readonly mode: FinalizePlan['mode'];
}

/** Undefined when there is an error among the findings. */
async function lookAtWay(
  deps: Deps,
  vsphere: Vsphere,
  { inventory, host, vm, mode }: Scene,
  input: FinalizeStepInput,
  step: Step,
  found: Findings,
): Promise<Chosen | undefined> {
  const totalBytes = vm.disks.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
  const gateway = { datastore: input.placement.datastore, remoteHost: input.exported.remoteHost };
  const { sessionId, moref, placement } = input;
  const origin = placement.origin ?? { name: vm.name, uuid: vm.uuid, instanceUuid: undefined };
  const mover: Mover = {
    ...{ host, mode, gateway, provisionedBytes: totalBytes, folder: vm.folder, name: vm.name },
    disks: vm.disks.map(({ node, key, capacityBytes }) => ({ node, key, capacityBytes })),
    cards: vm.nics.flatMap(({ node }) => node ?? []),
    successor: { sessionId, moref, origin, disks: disksOf(vm) },
  };
  if (!lookAtRedirected(mode, placement.changes, found)) return undefined;
  const where = await lookAtLocation(vsphere, inventory, input.request, mover, step, found);
  if (where === undefined) return undefined;
  const chosen: Chosen = { mode, totalBytes, ...where };
  const isGathered = vsphere.isVirtualCenter && placement.changes === undefined;
  if (mode === 'shortOutage' || (mode === 'cold' && !isGathered)) {
    const crossing = await lookAtCrossing(
      deps,
      vsphere,
      inventory,
      vm,
      { ...input, mode },
      where,
      step,
      found,
    );
    return crossing === undefined ? undefined : { ...chosen, ...crossing };
  }
  if (mode === 'live' || vm.powerState !== 'poweredOn') {
    await askTarget(vsphere, vm, chosen, step, found);
    return chosen;
  }
  // What the target says now is said of a VM that runs.
  lookAtTools(vm, found);
  return { ...chosen, guestAway: 'shutDown' };
}

async function lookAtVm(
  vsphere: Vsphere,
  vm: Vm,
  input: FinalizeStepInput,
  step: Step,
  found: Findings,
): Promise<void> {
  const { standing, detail, wayOut } = await standingAt(vsphere, vm, input, step);
  if (standing !== 'ours') {
    const way = wayOut === undefined ? '' : `. ${wayOut}`;
    found.error(
      'VmMoved',
      `${vm.name} is not as the session made it: somebody moved or changed it (${detail})${way}`,
    );
  }
  lookAtPower(vm, input.request, found);
  lookAtQuestion(vm, input.sessionId, found);
}

/** Until it is answered the VM can't be suspended, shut down or migrated: a finalize would wait for it. */
function lookAtQuestion(vm: Vm, sessionId: string, found: Findings): void {
  const question = hostQuestion(vm);
  if (question === undefined) return;
  const choices = question.choices.map(({ label }) => label).join(' / ');
  found.error(
    'QuestionOpen',
    `${vm.name} stands still until a question of its host is answered: ${question.text} (${choices}) Answer it with: ` +
      `rundirect answer ${sessionId}`,
  );
}

function lookAtPower({ name, powerState }: Vm, { vmotion }: FinalizeRequest, found: Findings): void {
  if (powerState === 'suspended') {
    found.error(
      'VmSuspended',
      `${name} is suspended. Resume it for a live migration, or power it off for a cold one`,
    );
  } else if (powerState === 'poweredOff' && (vmotion === 'live' || vmotion === 'short-outage')) {
    found.error(
      'VmPoweredOff',
      `${name} is powered off, and --vmotion ${vmotion} was asked for. Power it on, or leave --vmotion out`,
    );
  }
}

/** The way that is left, which nobody goes unasked. */
function offerCold({ name }: Vm, { totalBytes }: Chosen, found: Findings): void {
  found.error(
    'OnlyCold',
    `What is left is --vmotion cold, and is done only when it is asked for: the guest of ${name} is shut down, and off ` +
      `while its disks, ${formatBytes(totalBytes)}, are copied`,
  );
}

/** A guest that runs reads the disks that are copied: holding them back would slow it. */
function lookAtThrottle({ name }: Vm, { throttle }: FinalizeRequest, { mode }: Way, found: Findings): void {
  if (throttle === undefined || mode === 'cold') return;
  const how = mode === 'live' ? 'live' : 'with a short outage';
  found.error(
    'NotSupported',
    `${name} would be migrated ${how}, and its guest reads the disks meanwhile: they can't be held back. Leave ` +
      '--throttle out, or have the VM off while its disks are copied: --vmotion cold',
  );
}

/** What the target itself says against it; each finding's code is the fault's name. */
async function askTarget(
  vsphere: Vsphere,
  vm: Vm,
  chosen: Chosen,
  { signal }: Step,
  found: Findings,
): Promise<void> {
  const check = await vsphere.checkRelocate(vm.moref, relocateSpec(chosen, vm), { signal });
  for (const { fault, text } of check.errors) {
    found.error(fault, `The target can't migrate ${vm.name} to ${placeWords(chosen)}: ${text}`);
  }
  for (const { fault, text } of check.warnings) found.warning(fault, `The target warns: ${text}`);
}
