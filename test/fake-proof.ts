// The steps of a proof, in memory: what each tries holds, unless a test says otherwise, and leaves something that
// only clearing takes away.
import { type ProveActivities, type ProvePrimitive, type ProveRow, primitivesOf } from '../contract/index.ts';

export interface FakeProof {
  isVirtualCenter: boolean;
  /** Refused, in these words. */
  readonly refusals: Map<ProvePrimitive, string>;
  /** Backups, and what rounds left at the target: for each its session. */
  readonly left: Set<string>;
}

export const fakeProof = (): FakeProof => ({
  isVirtualCenter: false,
  refusals: new Map(),
  left: new Set(),
});

type Run = <T>(name: keyof ProveActivities, act: () => T) => Promise<T>;

/** @param removeVm takes a session's VM away, wherever it is. */
export function fakeProofSteps(
  run: Run,
  proof: FakeProof,
  removeVm: (sessionId: string) => void,
): ProveActivities {
  const rows = (primitives: readonly ProvePrimitive[]): readonly ProveRow[] =>
    primitives.map((primitive) => {
      const words = proof.refusals.get(primitive);
      return words === undefined
        ? { primitive, outcome: 'held', detail: 'as hoped', ms: 1 }
        : { primitive, outcome: 'refused', detail: words, ms: 1 };
    });
  const trying =
    (name: keyof ProveActivities, primitives: readonly ProvePrimitive[]) => (input: { sessionId: string }) =>
      run(name, () => {
        proof.left.add(`what ${input.sessionId} made`);
        return rows(primitives);
      });
  return {
    openProve: async ({ datastore }) =>
      run('openProve', () => ({
        product: 'fake ESXi',
        apiVersion: '8.0.3.0',
        isVirtualCenter: proof.isVirtualCenter,
        datastore: datastore === undefined ? undefined : { moref: 'ds-1', name: datastore, type: 'VMFS' },
        rows: rows(['licence']),
      })),
    makeProveBackup: async ({ proveId }) =>
      run('makeProveBackup', () => {
        proof.left.add(`backup of ${proveId}`);
        const passphrase = { version: 1 as const, sealedTo: 'SHA256:x', ephemeralKey: 'x', ciphertext: 'x' };
        return { vault: '/vault', backupSet: 'prove', jobId: 'job-1', vmName: 'prove', passphrase };
      }),
    removeProveBackup: async ({ proveId }) =>
      run('removeProveBackup', () => {
        proof.left.delete(`backup of ${proveId}`);
      }),
    proveMount: trying('proveMount', ['mountArrives', 'mountAgain']),
    proveConfiguration: trying('proveConfiguration', ['reconfigure', 'isolate']),
    provePower: trying('provePower', ['powerOn', 'noQuestion', 'guestWrites', 'fileSync', 'filesBeside']),
    proveRunning: trying('proveRunning', ['screenshot', 'unmountInUse', 'suspend', 'resume']),
    proveSnapshot: trying('proveSnapshot', ['snapshot', 'childKind', 'consolidate']),
    proveOutage: trying('proveOutage', primitivesOf('outage')),
    proveChanges: trying('proveChanges', primitivesOf('changes')),
    proveLive: trying('proveLive', primitivesOf('live')),
    proveCold: trying('proveCold', primitivesOf('cold')),
    clearProve: async ({ sessionId }) =>
      run('clearProve', () => {
        removeVm(sessionId);
        proof.left.delete(`what ${sessionId} made`);
      }),
  };
}
