// The story of the demo: a VM runs, is backed up, is destroyed, and comes back straight from its backup. What a
// user would do with Run Direct is done with its command line and nothing else; what a user would do in the
// vSphere Client (make, power on, look at, delete a VM) is done at the lab; what the guest does, the guest does.
import { differences, fileDigests } from './file-digests.ts';
import { formatMib, formatMs } from './format.ts';
import { type House, openHouse } from './house.ts';
import type { LabVm } from './lab-vm.ts';
import { leftovers } from './leftovers.ts';
import type { Narrator } from './narrator.ts';
import type { Stack } from './stack.ts';

const VM = 'web01';
const SET = 'nightly';
const NOTES = [
  'written-before-the-full',
  'written-before-the-delta',
  'written-while-it-ran-from-the-backup',
] as const;

/** Plays it whole; `picture` is where the screenshot goes. Throws at the first thing that is not as it should be. */
export async function playStory(stack: Stack, narrator: Narrator, picture: string): Promise<House> {
  const house = await narrator.step(
    'the site is made known, and a vault is made',
    () => openHouse(stack),
    (made) => `rundirect site pin; rundirect vault init --vault ${made.vault}`,
  );
  await firstLife(house, narrator);
  const before = await fileDigests(house.vault);
  const session = await secondLife(house, narrator, picture);
  await narrator.step(
    'the session is stopped',
    () => house.stop(session),
    () => `rundirect stop ${session}`,
  );
  await narrator.step(
    'proof',
    () => prove(house, session, before),
    (facts) => facts.join('\n'),
  );
  return house;
}

/** In production: it runs and writes and is backed up, twice, and is lost. */
async function firstLife(house: House, narrator: Narrator): Promise<void> {
  const vm = await narrator.step(
    `a production VM, ${VM}`,
    () => house.createVm(VM),
    (made) => made.folder,
  );
  for (const [note, kind] of [
    [NOTES[0], 'full'],
    [NOTES[1], 'delta'],
  ] as const) {
    await narrator.step(
      'it boots, writes and shuts down',
      () => runOnce(vm, note),
      () => note,
    );
    const job = await narrator.step(
      `it is backed up: the ${kind}`,
      () => house.backup(SET, vm.folder),
      (made) => `rundirect backup: job ${made.jobId}, ${formatMib(made.storedBytes)} stored`,
    );
    if (job.kind !== kind) throw new Error(`the job is a ${job.kind}, and not a ${kind}`);
  }
  await narrator.step(
    'the production copy is destroyed',
    () => vm.destroy(),
    () => `${vm.folder} is gone`,
  );
}

async function runOnce(vm: LabVm, note: string): Promise<void> {
  await vm.powerOn();
  const guest = await vm.guest();
  await guest.write(note);
  await guest.shutDown();
  await vm.waitForPower('poweredOff');
}

/** From the backup: it comes up, has its notes, writes another one, powers itself down, and still has it. */
async function secondLife(house: House, narrator: Narrator, picture: string): Promise<string> {
  const session = await narrator.step(
    'RUN DIRECT: it is started from the delta',
    () => house.start(SET, VM),
    ({ sessionId, vm }) =>
      `rundirect start: session ${sessionId}, ${vm?.name ?? 'no VM'} on ${vm?.hostName ?? 'no host'}`,
  );
  measure(narrator, 'command → powered on', session.timings.poweredOnMs);
  measure(narrator, 'command → guest ready', session.timings.guestReadyMs);

  const vm = await house.sessionVm(session);
  await narrator.step(
    'the guest shows its old notes',
    () => expectNotes(vm, NOTES.slice(0, 2)),
    (notes) => notes.join('\n'),
  );
  await narrator.step(
    'the guest writes',
    async () => (await vm.guest()).write(NOTES[2]),
    () => NOTES[2],
  );
  await narrator.step(
    'a screenshot is taken',
    () => vm.screenshot(picture),
    () => picture,
  );
  await narrator.step(
    'it powers itself down and is powered on again',
    async () => {
      await (await vm.guest()).shutDown();
      await vm.waitForPower('poweredOff');
      await vm.powerOn();
      return expectNotes(vm, NOTES);
    },
    () => 'its changes are still there',
  );
  return session.sessionId;
}

function measure(narrator: Narrator, name: string, ms: number | undefined): void {
  if (ms === undefined) throw new Error(`the session does not say how long it took: ${name}`);
  narrator.measured(name, ms);
  narrator.say(`    ${name}: ${formatMs(ms)}`);
}

async function expectNotes(vm: LabVm, expected: readonly string[]): Promise<string[]> {
  const notes = await (await vm.guest()).notes();
  if (notes.join('\n') !== expected.join('\n'))
    throw new Error(`the guest's notes are [${notes.join(', ')}], and should be [${expected.join(', ')}]`);
  return notes;
}

/** That nothing is left, and that the vault is what it was. Throws with what is not so. */
async function prove(house: House, session: string, before: ReadonlyMap<string, string>): Promise<string[]> {
  const left = await leftovers(house.stack, session);
  if (left.length > 0) throw new Error(`something is left: ${left.join('; ')}`);
  const changed = differences(before, await fileDigests(house.vault));
  if (changed.length > 0) throw new Error(`the vault is not what it was: ${changed.join('; ')}`);
  return [
    'VM: gone from the inventory',
    'datastore: unmounted from every host',
    'export, leases: gone from the gateway; its NFS root holds no directory of the session',
    "overlay and key: gone from the site's state folder",
    `vault: SHA-256 of all ${before.size} files as before`,
  ];
}
