// A Temporal dev server of the run's own: its histories live in the run's folder, its ports are the run's.
import path from 'node:path';
import { Connection } from '@temporalio/client';
import { SearchAttribute } from '../contract/index.ts';
import { findTemporal } from '../setup/temporal.ts';
import { ManagedProcess } from './managed-process.ts';

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 10_000;

export interface TemporalReady {
  /** HOST:PORT of the frontend. */
  readonly address: string;
  readonly webUi: string;
}

export async function temporalServer(plan: {
  readonly port: number;
  readonly uiPort: number;
  readonly folder: string;
  readonly logFolder: string;
  readonly outlivesUs: boolean;
}): Promise<ManagedProcess<TemporalReady>> {
  const binary = await findTemporal();
  if (binary === undefined) throw new Error('There is no Temporal CLI. Run `npm run setup`.');
  const ready = { address: `127.0.0.1:${plan.port}`, webUi: `http://127.0.0.1:${plan.uiPort}` };
  return new ManagedProcess({
    name: 'temporal',
    command: [
      binary,
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--log-level', 'warn'],
      ...['--port', String(plan.port), '--ui-port', String(plan.uiPort)],
      ...['--db-filename', path.join(plan.folder, 'temporal.db')],
      ...Object.values(SearchAttribute).flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    env: process.env,
    logFolder: plan.logFolder,
    readiness: async () => ((await answers(ready.address)) ? ready : undefined),
    readyLimitMs: READY_LIMIT_MS,
    stopLimitMs: STOP_LIMIT_MS,
    outlivesUs: plan.outlivesUs,
  });
}

async function answers(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: 1_000 });
    try {
      await connection.workflowService.describeNamespace({ namespace: 'default' });
    } finally {
      await connection.close();
    }
    return true;
  } catch {
    return false;
  }
}
