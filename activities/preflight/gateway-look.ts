// The gateway's part of preflight: it runs, and has the space for changes. Publishing reserves it for good; this
// is the early word.
import { formatBytes, MIN_RESERVE_FACTOR, type StartInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Findings } from './findings.ts';

/** Of what a guest changes nothing comes to the gateway where its changes go elsewhere: logs, a saved state. */
export const gatewayFactor = (changes: StartInput['changes'], reserveFactor: number): number =>
  changes === undefined ? reserveFactor : MIN_RESERVE_FACTOR;

export interface GatewayLook {
  /** The address that hosts mount. */
  readonly advertise: string;
}

export async function lookAtGateway(
  { gateway }: Pick<ActivityDeps, 'gateway'>,
  { reserveFactor: wanted, changes }: Pick<StartInput, 'reserveFactor' | 'changes'>,
  provisionedBytes: number | undefined,
  found: Findings,
): Promise<GatewayLook | undefined> {
  const reserveFactor = gatewayFactor(changes, wanted);
  return found.look(async () => {
    const { advertise } = await gateway.status();
    if (provisionedBytes !== undefined) {
      const space = await gateway.space({ provisionedBytes, reserveFactor });
      if (!space.fits) {
        found.error(
          'StorageFull',
          `The gateway has ${formatBytes(space.availableBytes)} free for changes and ${formatBytes(space.neededBytes)} are needed ` +
            `(${reserveFactor} × the provisioned size). Make room in its state folder, stop a session, or reserve less`,
        );
      }
    }
    return { advertise };
  });
}
