// Sessions whose Workflow somebody ends past us, as on Temporal's web page; and what is then said to be left of them.
import { Client, Connection } from '@temporalio/client';
import type { Orphan } from '../../contract/index.ts';
import type { House } from '../../demo/house.ts';
import { until } from '../../demo/until.ts';
import { SET, VM } from './killed-worker.ts';

const STEP_LIMIT_MS = 60_000;

export async function inTemporal<T>({ stack }: House, work: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: stack.temporal.ready.address });
  try {
    return await work(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

export const terminate = (house: House, session: string): Promise<unknown> =>
  inTemporal(house, ({ workflow }) => workflow.getHandle(session).terminate('an administrator'));

/** Terminated when its VM is registered, and nobody has heard so. */
export async function terminatedStart(house: House): Promise<string> {
  const lab = house.stack.lab.ready;
  await lab.addFault({ method: 'RegisterVM_Task', action: 'drop', times: 1 });
  const begun = await house.succeed([...house.startFlags(SET, VM), '--detach']);
  const sessionId = begun['sessionId'] as string;
  await until('the VM to be registered', STEP_LIMIT_MS, async () =>
    (await lab.faults()).length === 0 ? true : undefined,
  );
  await terminate(house, sessionId);
  return sessionId;
}

export async function orphansOf(house: House): Promise<readonly Orphan[]> {
  return ((await house.succeed(['orphans'])) as unknown as { orphans: Orphan[] }).orphans;
}

/** What a command that fails says in JSON. */
export async function errorOf(house: House, args: readonly string[]): Promise<unknown> {
  const { code, documents, stdout } = await house.run(args);
  if (code === 0) throw new Error(`rundirect ${args.join(' ')} did not fail: ${stdout}`);
  return documents.at(-1)?.['error'];
}
