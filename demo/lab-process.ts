// The lab as a process of a stack: a vSphere of its own, with a password of its own.
import { attachLab, type Lab, labCommand } from '../lab/lab.ts';
import { jsonLines } from './command-line.ts';
import { ManagedProcess } from './managed-process.ts';

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;

export async function labProcess(plan: {
  readonly model: 'esx' | 'vcenter';
  /** The lab's work folder. */
  readonly directory: string;
  readonly port: number;
  readonly nfsPort: number;
  readonly mountPort: number;
  readonly logFolder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly outlivesUs: boolean;
}): Promise<ManagedProcess<Lab>> {
  const { model, directory, port, nfsPort, mountPort } = plan;
  const [program = '', ...args] = await labCommand({ model, directory, port, nfsPort, mountPort });
  return new ManagedProcess({
    ...plan,
    name: 'lab',
    command: [program, ...args],
    readiness: (output) => (jsonLines(output)[0] === undefined ? undefined : attachLab(directory)),
    readyLimitMs: READY_LIMIT_MS,
    stopLimitMs: STOP_LIMIT_MS,
  });
}
