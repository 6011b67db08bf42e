// What the drill's commands refuse before they ask anybody, and how a report reads at a terminal.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { DrillResult } from '../../../contract/index.ts';
import { ExitCode } from '../../errors/exit-code.ts';
import { runCommandLine } from '../../program.ts';
import { drillTable, drillText } from '../../views/drill-view.ts';

let said = '';
beforeEach(() => {
  said = '';
  const hear = (text: string | Uint8Array): boolean => {
    said += String(text);
    return true;
  };
  vi.spyOn(process.stderr, 'write').mockImplementation(hear);
  vi.spyOn(process.stdout, 'write').mockImplementation(hear);
});
afterEach(() => void vi.restoreAllMocks());

const plan = ['--vault', '/v', '--set', 'nightly', '--vm', 'web01', '--target', 'esx', '--user', 'root'];
const create = ['drill', 'schedule', 'create', 'nightly', ...plan];

it.each<[string, string[], RegExp]>([
  ['no time', create, /by --every or by --cron/],
  ['two times', [...create, '--every', '1h', '--cron', '0 3 * * *'], /cannot be used with/],
  ['a time that is none', [...create, '--every', 'daily'], /a duration is written like/],
  ['a time that never passes', [...create, '--every', '0'], /every second at most/],
  [
    'a name that reads like a run',
    ['drill', 'schedule', 'show', 'a-20261123t030000z'],
    /does not end in a time/,
  ],
  ['a name that is too long', ['drill', 'run', ...plan, '--name', 'n'.repeat(21)], /up to 20/],
  ['a target of no time', ['drill', 'run', ...plan, '--rto', '0'], /longer than nothing/],
  [
    'a guest that is given up before its time',
    ['drill', 'run', ...plan, '--rto', '5m', '--guest-timeout', '1m'],
    /would be given up/,
  ],
  ['a report folder that is relative', ['drill', 'list', '--report-dir', 'here'], /absolute/],
  ['a report that is none', ['drill', 'show', '../x'], /a drill's id is/],
])('refuses %s', async (_, argv, words) => {
  expect(await runCommandLine(argv, new AbortController().signal)).toBe(ExitCode.usage);
  expect(said).toMatch(words);
});

const result: DrillResult = {
  report: {
    ...{ version: 1, drillId: 'nightly-20261123t030000z', name: 'nightly', verdict: 'failed' },
    ...{ startedAt: '2026-11-23T03:00:00.000Z', endedAt: '2026-11-23T03:01:30.000Z', rtoMs: 60_000 },
    ...{
      site: 'main',
      target: 'esx:443/root',
      host: 'esx01',
      vault: '/v',
      backupSet: 'web',
      portGroup: 'pg',
    },
    vms: [
      {
        vmName: 'web01',
        sessionId: 's1',
        verdict: 'passed',
        poweredOnMs: 2_400,
        guestReadyMs: 19_800,
        notes: [],
      },
      {
        vmName: 'db\u001b[2J',
        sessionId: 's2',
        verdict: 'failed',
        reason: 'no heartbeat',
        notes: ['No picture'],
      },
    ],
    leftBehind: [],
  },
  files: { folder: '/r', html: '/r/report.html', json: '/r/report.json' },
};

it('tells a report line by line, with the reason at each VM and nothing that moves the cursor', () => {
  const text = drillText(result);
  for (const word of ['19.8 s', 'no heartbeat', 'No picture', '1 min 00 s', '/r/report.html']) {
    expect(text).toContain(word);
  }
  expect(text).not.toContain('\u001b');
});

it('lists drills, or says that there are none', () => {
  expect(drillTable([result])).toMatch(/nightly-20261123t030000z +failed .*1 of 2 +19\.8 s/);
  expect(drillTable([])).toContain('No drill');
});
