// One cell of the migration matrix: a session on one kind of target is taken to one kind of storage in one mode, while
// its guest writes a numbered line every 100 ms. It is tried, whatever is known of it: what is refused says why, and
// must have left the guest where it was.
import type { FinalizeResult, SessionStatus } from '../../contract/index.ts';
import type { CommandResult } from '../../demo/command-line.ts';
import type { House } from '../../demo/house.ts';
import { labVmByMoref } from '../../demo/lab-vm.ts';
import { leftovers } from '../../demo/leftovers.ts';
import type { Lab } from '../../lab/lab.ts';
import { untilItWrote, type Watched, watchLines } from '../numbered-lines.ts';
import { type Places, proveArrival } from './proof.ts';

export interface Cell {
  readonly model: 'esx' | 'vcenter';
  readonly mode: 'live' | 'short-outage' | 'cold';
  /** `split`: the second disk goes to another VMFS than the rest; `mixed`: to a vSAN, the rest to a VMFS. */
  readonly storage: 'vmfs' | 'vsan' | 'split' | 'mixed';
  /** Where the guest's changes go while it runs from the backup. */
  readonly changes: 'gateway' | 'datastore';
}

export interface Proven {
  readonly kind: 'proven';
  readonly mode: FinalizeResult['mode'];
  /** As the session says. */
  readonly guestAwayMs: number | undefined;
  /** Between two lines that the guest wrote, as seen from outside. */
  readonly longestPauseMs: number;
  readonly movedBytes: number | undefined;
  readonly durationMs: number;
  readonly proofs: readonly string[];
}
export interface NotProven {
  /** `refused`: nothing was begun, and the guest went on as before. */
  readonly kind: 'refused' | 'failed';
  readonly words: string;
}
export type Outcome = Proven | NotProven;

const SET = 'nightly';
const VM = 'web01';
const SECOND_DISK_MIB = 8;
const LINE_EVERY_MS = 100;
const FINALIZE_LIMIT_MS = 300_000;
const PATTERN = 'before the migration';

export const nameOf = ({ model, mode, storage, changes }: Cell): string =>
  `${model} ${mode} ${storage} ${changes}`;

/** Backs up a VM with a second disk, which is then gone. Once for each house. */
export async function prepareHouse(house: House): Promise<void> {
  const vm = await house.createVm(VM, { disks: [{ sizeMiB: SECOND_DISK_MIB }] });
  await house.backup(SET, vm.folder);
  await vm.destroy();
}

/** In a house that was prepared. Never throws for what the cell comes to. */
export async function runCell(house: House, cell: Cell): Promise<Outcome> {
  try {
    return await tryCell(house, cell);
  } catch (error) {
    return { kind: 'failed', words: error instanceof Error ? error.message : String(error) };
  }
}

async function tryCell(house: House, cell: Cell): Promise<Outcome> {
  const { lab } = house.stack;
  const changes = cell.changes === 'gateway' ? [] : ['--changes', 'datastore:datastore2'];
  const name = nameOf(cell).replaceAll(' ', '-');
  const flags = ['--network', 'disconnected', '--name', name, ...changes];
  const started = await house.run([...house.startFlags(SET, VM), ...flags]);
  if (started.code !== 0) {
    await expectNothingLeft(house);
    return { kind: 'refused', words: wordsOf(started) };
  }
  const session = started.documents.at(-1)?.['session'] as SessionStatus;
  const { sessionId } = session;
  const vm = await house.sessionVm(session);
  const guest = await vm.guest();
  await guest.writeDisk('sdb', 0, PATTERN);
  await guest.beginLog(LINE_EVERY_MS);
  await untilItWrote(guest, 3);
  const places = placesOf(lab.ready, cell.storage);
  const where = ['--datastore', places.home, '--disk', `scsi0:1=${places.second}`];
  const command = ['finalize', sessionId, ...where, '--vmotion', cell.mode];
  const finalizing = house.run(command, { limitMs: FINALIZE_LIMIT_MS });
  const watched = await watchLines(lab.ready, name, finalizing);
  const finalized = await finalizing;
  if (finalized.code !== 0) return await refusal(house, sessionId, finalized);
  return await arrival(house, sessionId, finalized, watched, places);
}

/** Names of the datastores that the VM goes to. */
function placesOf({ datastores, vsans }: Lab, storage: Cell['storage']): Places {
  const [vmfs, otherVmfs] = datastores;
  const [vsan] = vsans;
  const home = storage === 'vsan' ? vsan : vmfs;
  const second = { vmfs, vsan, split: otherVmfs, mixed: vsan }[storage];
  if (home === undefined || second === undefined) throw new Error(`the lab has no datastores for ${storage}`);
  return { home: home.name, second: second.name };
}

async function arrival(
  house: House,
  sessionId: string,
  finalized: CommandResult,
  watched: Watched,
  places: Places,
): Promise<Outcome> {
  const { mode, guestAwayMs, movedBytes, durationMs } = finalized.documents.at(
    -1,
  ) as unknown as FinalizeResult;
  const status = await house.show(sessionId);
  await expectNothingLeft(house, sessionId);
  const proofs = await proveArrival(house.stack.lab.ready, status.vm?.moref ?? '', {
    ...{ places, acknowledged: watched.lastLine },
    pattern: PATTERN,
  });
  const { longestPauseMs } = watched;
  return { kind: 'proven', mode, guestAwayMs, longestPauseMs, movedBytes, durationMs, proofs };
}

/** Nothing was begun, and the guest writes on; or else it failed. */
async function refusal(house: House, sessionId: string, refused: CommandResult): Promise<NotProven> {
  const status = await house.show(sessionId);
  const words = wordsOf(refused);
  const began = status.state !== 'running' || (status.finalize?.percent ?? 0) > 0;
  const vm = await labVmByMoref(house.stack.lab.ready, status.vm?.moref ?? '');
  const guest = await vm.guest();
  const boots = await guest.boots();
  // One that was booted anew writes nothing by itself.
  if (boots === 1) await untilItWrote(guest, 1);
  await house.stop(sessionId);
  await expectNothingLeft(house, sessionId);
  if (!began && boots === 1) return { kind: 'refused', words };
  return { kind: 'failed', words: `${words} (it was ${status.state}, the guest has booted ${boots} times)` };
}

async function expectNothingLeft(house: House, sessionId?: string): Promise<void> {
  const left = await leftovers(house.stack, sessionId);
  if (left.length > 0) throw new Error(`something is left: ${left.join('; ')}`);
}

/** What the command line said: its findings, or its one error. */
function wordsOf({ documents, stderr }: CommandResult): string {
  const error = documents.at(-1)?.['error'] as
    | { readonly message: string; readonly findings?: readonly { readonly message: string }[] }
    | undefined;
  if (error === undefined) return stderr.trim();
  const findings = (error.findings ?? []).map(({ message }) => message);
  return findings.length === 0 ? error.message : findings.join('; ');
}
