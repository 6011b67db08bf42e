// Drills in the lab, and that nothing is left of them: looked for at the host and the gateway, not asked of the
// drill.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { expect } from 'vitest';
import {
  type DrillResult,
  type DrillVmReport,
  drillSessionId,
  drillWorkflowId,
  type SessionStatus,
} from '../../contract/index.ts';
import type { House } from '../../demo/house.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { COMMAND_EVERY_MS, until } from '../../demo/until.ts';
import { connect } from '../../vsphere/index.ts';

const SET = 'nightly';
const REPORTS_LIMIT_MS = 600_000;
const VM_LIMIT_MS = 120_000;

/** Backs up a VM that comes up and one that never does, and lets the first run: drills take place beside it. */
export async function prepareDrills(house: House): Promise<void> {
  const original = await house.createVm('web01', { mac: '00:50:56:00:00:17' });
  const empty = await house.createVm('empty', { bootable: false });
  await house.backup(SET, original.folder, empty.folder);
  await empty.destroy();
  await original.powerOn();
}

/** Runs one to its end; whatever it says, nothing is left. */
export async function runDrill(
  house: House,
  vms: readonly string[],
  ...flags: readonly string[]
): Promise<{ readonly code: number; readonly result: DrillResult }> {
  const { code, documents, stderr } = await house.run(['drill', 'run', ...planFlags(house, vms), ...flags]);
  const result = documents.at(-1) as unknown as DrillResult | undefined;
  if (result?.report === undefined)
    throw new Error(`the drill ended with ${code}, without a report: ${stderr}`);
  await expectNothingLeft(house);
  return { code, result };
}

/** Starts one, and answers its id. */
export async function beginDrill(
  house: House,
  vms: readonly string[],
  ...flags: readonly string[]
): Promise<string> {
  const last = await house.succeed(['drill', 'run', '--detach', ...planFlags(house, vms), ...flags]);
  return last['drillId'] as string;
}

export async function untilVmRuns(house: House, drillId: string): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const { documents } = await house.run(['show', drillSessionId(drillId, 1)]);
    const session = documents.at(-1)?.['session'] as SessionStatus | null | undefined;
    return session?.powerState === 'poweredOn' ? true : undefined;
  };
  await until(`the VM of ${drillId} to run`, VM_LIMIT_MS, look, COMMAND_EVERY_MS);
}

export async function cancelDrill({ stack }: House, drillId: string): Promise<void> {
  const connection = await Connection.connect({ address: stack.temporal.ready.address });
  try {
    await new Client({ connection }).workflow.getHandle(drillWorkflowId(drillId)).cancel();
  } finally {
    await connection.close();
  }
}

/** Waits for the report: it is written when nothing is left, which is looked for. */
export async function reportOfDrill(house: House, drillId: string): Promise<DrillResult> {
  const look = async (): Promise<DrillResult | undefined> => {
    const { code, documents } = await house.run(['drill', 'show', drillId]);
    return code === 0 ? (documents.at(-1) as unknown as DrillResult) : undefined;
  };
  const result = await until(`the report of ${drillId}`, REPORTS_LIMIT_MS, look, COMMAND_EVERY_MS);
  await expectNothingLeft(house);
  return result;
}

/** Schedules one, lets it run so often, and deletes it. */
export async function runSchedule(
  house: House,
  { name, every, runs }: { readonly name: string; readonly every: string; readonly runs: number },
): Promise<readonly DrillResult[]> {
  const schedule = ['drill', 'schedule'];
  const never = await house.run([
    ...schedule,
    'create',
    name,
    '--cron',
    'never',
    ...planFlags(house, ['web01']),
  ]);
  expect(never).toMatchObject({ code: 2 });
  expect(never.stderr).toContain('A --cron is written like');
  await house.succeed([...schedule, 'create', name, '--every', every, ...planFlags(house, ['web01'])]);
  const look = async (): Promise<readonly DrillResult[] | undefined> => {
    const listing = (await house.succeed(['drill', 'list'])) as unknown as { drills: DrillResult[] };
    const ofSchedule = listing.drills.filter(({ report }) => report.name === name);
    return ofSchedule.length >= runs ? ofSchedule : undefined;
  };
  const drills = await until(`${runs} reports of ${name}`, REPORTS_LIMIT_MS, look, COMMAND_EVERY_MS);
  const shown = await house.succeed([...schedule, 'show', name]);
  expect(shown).toMatchObject({ name, plan: { backupSet: SET, vms: ['web01'] } });
  expect(JSON.stringify(shown)).not.toContain('ciphertext');
  await house.succeed([...schedule, 'delete', name]);
  expect((await house.run([...schedule, 'show', name])).code).toBe(1);
  expect(new Set(drills.map(({ report }) => report.drillId)).size).toBe(drills.length);
  for (const { report, files } of drills) {
    expect(report).toMatchObject({ verdict: 'passed', leftBehind: [], vms: [{ verdict: 'passed' }] });
    await readablePicture(files.folder, report.vms[0]);
  }
  // One that was begun before the schedule was deleted comes to its end by itself.
  await until('the end of the last drill', REPORTS_LIMIT_MS, async () =>
    (await leftAtHost(house)).length === 0 && (await leftovers(house.stack)).length === 0 ? true : undefined,
  );
  return drills;
}

/** The picture's bytes; a program that reads PNGs agrees that it is one, and not of a single colour. */
export async function readablePicture(folder: string, vm: DrillVmReport | undefined): Promise<Buffer> {
  const file = path.join(folder, vm?.picture?.file ?? 'no picture');
  const bytes = await readFile(file);
  const { stdout } = await promisify(execFile)('python3', ['-c', READ_PNG, file]);
  const { width, height, values } = JSON.parse(stdout) as { width: number; height: number; values: number };
  expect(width * height).toBeGreaterThan(10_000);
  expect(values).toBeGreaterThan(1);
  return bytes;
}

/** Checks every chunk's CRC and unpacks the picture: a foreign reader, with what every Debian has. */
const READ_PNG = `
import json, struct, sys, zlib
data = open(sys.argv[1], 'rb').read()
assert data[:8] == b'\\x89PNG\\r\\n\\x1a\\n'
at, packed, size = 8, b'', None
while at < len(data):
    length, kind = struct.unpack('>I4s', data[at:at + 8])
    body = data[at + 8:at + 8 + length]
    assert struct.unpack('>I', data[at + 8 + length:at + 12 + length])[0] == zlib.crc32(kind + body)
    if kind == b'IHDR': size = struct.unpack('>II', body[:8])
    if kind == b'IDAT': packed += body
    at += 12 + length
raw = zlib.decompress(packed)
print(json.dumps({'width': size[0], 'height': size[1], 'values': len(set(raw))}))
`;

function planFlags(house: House, vms: readonly string[]): string[] {
  return [
    ...['--vault', house.vault, '--set', SET, '--vm', ...vms],
    ...house.targetFlags,
    ...['--passphrase-file', house.passphraseFile],
  ];
}

/** Networks of drills, too. */
export async function expectNothingLeft(house: House): Promise<void> {
  expect(await leftovers(house.stack)).toEqual([]);
  expect(await leftAtHost(house)).toEqual([]);
}

/** Networks of drills that the target still shows. */
async function leftAtHost({ stack }: House): Promise<string[]> {
  await using vsphere = await connect(stack.lab.ready);
  const { hosts } = await vsphere.inventory();
  return hosts.flatMap(({ networks }) =>
    networks.map(({ name }) => name).filter((name) => name.startsWith('rundirect-drill-')),
  );
}
