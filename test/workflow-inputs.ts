// What each kind of Workflow is started with in tests, on a site that no other test has.
import {
  type BrowseInput,
  type CleanUpInput,
  type DrillInput,
  type ProveInput,
  proveIdFor,
  type RestoreDiskInput,
  type RestoreInput,
  type StartInput,
} from '../contract/index.ts';
import { startInput } from './session-harness.ts';

export function restoreInput(changes: Partial<RestoreInput> = {}): RestoreInput {
  const { sessionId, site, commandedAtMs, source, target, verify, guestTimeoutMs } = startInput();
  return {
    ...{ sessionId, site, commandedAtMs, source, target, verify, guestTimeoutMs },
    placement: { network: 'original' },
    datastore: 'prod',
    powerOn: false,
    stepTimeoutMs: 10_000,
    ...changes,
  };
}

export function restoreDiskInput(changes: Partial<RestoreDiskInput> = {}): RestoreDiskInput {
  const { sessionId, site, commandedAtMs, source, target, verify } = startInput();
  const asked = { disk: 'scsi0:1', toVm: 'db01', stepTimeoutMs: 10_000 };
  return { sessionId, site, commandedAtMs, source, target, verify, ...asked, ...changes };
}

/** As a session's harness starts it: its id is a session's. */
export function browseInput(): BrowseInput & { readonly sessionId: string } {
  const { sessionId, site, source } = startInput();
  return { sessionId, browseId: sessionId, site, source, allow: ['127.0.0.1'] };
}

/** After the session of this start. */
export function cleanUpInput(of: StartInput, changes: Partial<CleanUpInput> = {}): CleanUpInput {
  const { sessionId, site, commandedAtMs, source, target } = of;
  return { sessionId, site, commandedAtMs, source, target, powerOff: false, ...changes };
}

export function drillInput(changes: Partial<DrillInput> = {}): DrillInput {
  const { site, source, target } = startInput();
  const { vmName, ...of } = source;
  return {
    ...{ name: `night-${site}`, site, source: of, target },
    vms: [{ name: vmName }],
    placement: {},
    rtoMs: 60_000,
    guestTimeoutMs: 1_000,
    reserveFactor: 1.5,
    stepTimeoutMs: 10_000,
    ...changes,
  };
}

export function proveInput(changes: Partial<ProveInput> = {}): ProveInput {
  const { site, target } = startInput();
  const proveId = proveIdFor(`unit${site.slice(1).padStart(6, '0')}`);
  return { ...{ proveId, site, target }, placement: {}, datastore: 'prod', ...changes };
}
