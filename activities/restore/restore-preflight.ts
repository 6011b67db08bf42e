// Looks at everything that a restore needs before anything is touched, and answers with all findings at once: what
// a start looks at, and the place in production.
import {
  datastoreName,
  MIN_RESERVE_FACTOR,
  type RestoreInput,
  type RestorePlan,
  restoreInputSchema,
} from '../../contract/index.ts';
import type { Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { assertNetworkOf } from '../drill/isolation.ts';
import { parsed } from '../parsed.ts';
import { type BackupLook, lookAtBackup } from '../preflight/backup-look.ts';
import { type Findings, failureForFindings, findings } from '../preflight/findings.ts';
import { type GatewayLook, lookAtGateway } from '../preflight/gateway-look.ts';
import { choosePlace } from '../preflight/placement.ts';
import {
  lookAtGatewayDatastore,
  lookAtLicence,
  lookAtNetworks,
  lookAtVms,
  nameScope,
  targetIdOf,
} from '../preflight/target-look.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { lookAtProduction } from './production-look.ts';

const MAX_ATTEMPTS = 3;

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets' | 'vaults' | 'gateway' | 'site' | 'allow'>;

export async function restorePreflight(deps: Deps, raw: RestoreInput, step: Step): Promise<RestorePlan> {
  const input = parsed(restoreInputSchema, raw);
  assertOwnSession(step, input.sessionId);
  assertNetworkOf(input.sessionId, input.placement.network);
  const found = findings(step.attempt < MAX_ATTEMPTS);
  const backup = await lookAtBackup(deps, input, step, found);
  const space = { reserveFactor: MIN_RESERVE_FACTOR };
  const gateway = await lookAtGateway(deps, space, backup?.provisionedBytes, found);
  const place = await found.look(() =>
    withTarget(deps, step, input.target, (vsphere) =>
      lookAtTarget(deps, vsphere, input, { backup, gateway }, step, found),
    ),
  );
  const failure = failureForFindings(found.all);
  if (failure !== undefined) throw failure;
  if (backup === undefined || place === undefined) throw new Error('preflight ended without an answer');
  return {
    jobId: backup.jobId,
    ...place,
    disks: backup.disks.map(({ name, sizeBytes }) => ({ name, sizeBytes })),
    warnings: found.all.filter(({ severity }) => severity === 'warning'),
  };
}

interface Others {
  readonly backup: BackupLook | undefined;
  readonly gateway: GatewayLook | undefined;
}

async function lookAtTarget(
  deps: Deps,
  vsphere: Vsphere,
  input: RestoreInput,
  { backup, gateway }: Others,
  step: Step,
  found: Findings,
): Promise<Pick<RestorePlan, 'placement' | 'production'> | undefined> {
  const { signal } = step;
  await lookAtLicence(vsphere, step, found);
  const inventory = await vsphere.inventory({ signal });
  const datastore = datastoreName(deps.site);
  const place = choosePlace(inventory, input.placement, datastore, found);
  const scope = nameScope(vsphere, place);
  await lookAtVms(vsphere.listVms({ templates: true, signal }), besideOriginal(input), backup, found, scope);
  if (place === undefined) return undefined;
  const { host, folder, resourcePool } = place;
  lookAtGatewayDatastore(inventory, place, datastore, gateway, found);
  lookAtNetworks(place, input, backup, found);
  const vmName = input.placement.name ?? backup?.vmName ?? input.source.vmName;
  const { datastore: home, disks } = input;
  // Without the backup nobody can say which disks there are.
  const wanted = {
    ...{ datastore: home, disks: backup === undefined ? undefined : disks },
    neededFor: { vmName, provisionedBytes: backup?.provisionedBytes ?? 0, nodes: backup?.nodes ?? [] },
    gateway: { datastore, remoteHost: gateway?.advertise },
  };
  const production = await lookAtProduction(vsphere, inventory, host, wanted, step, found);
  if (production === undefined) return undefined;
  const placement = {
    targetId: targetIdOf(vsphere, input),
    host: { moref: host.moref, name: host.name },
    folder,
    resourcePool,
    datastore,
    vmName,
    allow: [...new Set([...host.vmknicAddresses, ...deps.allow])],
  };
  return { placement, production };
}

/** A VM that stays off is in nobody's way: the original may run, with the same addresses. */
const besideOriginal = ({ source, placement, powerOn }: RestoreInput) => ({
  source,
  placement: powerOn ? placement : { ...placement, network: 'disconnected' as const },
});
