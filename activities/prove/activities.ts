// A proof's steps, each in the frame of step.ts.
import type { ProveActivities } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { runStep } from '../step.ts';
import { makeProveBackup, removeProveBackup } from './backup.ts';
import { proveChanges } from './changes.ts';
import { clearProve } from './clear.ts';
import { proveConfiguration } from './configuration.ts';
import { proveMount } from './mount.ts';
import { openProve } from './open-prove.ts';
import { proveOutage } from './outage.ts';
import { provePower } from './power.ts';
import { proveCold, proveLive } from './relocation.ts';
import { proveRunning } from './running.ts';
import { proveSnapshot } from './snapshot.ts';

export function proveActivities(deps: ActivityDeps): ProveActivities {
  return {
    openProve: (input) => runStep((step) => openProve(deps, input, step)),
    makeProveBackup: (input) => runStep((step) => makeProveBackup(deps, input, step)),
    removeProveBackup: (input) => runStep((step) => removeProveBackup(deps, input, step)),
    proveMount: (input) => runStep((step) => proveMount(deps, input, step)),
    proveConfiguration: (input) => runStep((step) => proveConfiguration(deps, input, step)),
    provePower: (input) => runStep((step) => provePower(deps, input, step)),
    proveRunning: (input) => runStep((step) => proveRunning(deps, input, step)),
    proveSnapshot: (input) => runStep((step) => proveSnapshot(deps, input, step)),
    proveOutage: (input) => runStep((step) => proveOutage(deps, input, step)),
    proveChanges: (input) => runStep((step) => proveChanges(deps, input, step)),
    proveLive: (input) => runStep((step) => proveLive(deps, input, step)),
    proveCold: (input) => runStep((step) => proveCold(deps, input, step)),
    clearProve: (input) => runStep((step) => clearProve(deps, input, step)),
  };
}
