// How a VM goes to production, as it is said on the command line; shared by `start` and `finalize`.
import { Option } from 'commander';
import { type FinalizeRequest, type GuestAway, type Vmotion, vmotionSchema } from '../../contract/index.ts';

export interface VmotionOptions {
  readonly vmotion: Vmotion;
  readonly guestAway?: 'suspend' | 'shut-down';
}

export const vmotionOptions = (): Option[] => [
  new Option(
    '--vmotion <mode>',
    'live: the guest never stops; short-outage: for seconds; cold: for as long as the disks are copied; ' +
      'auto: the first that the VM and the target allow, cold only for a VM that is off',
  )
    .choices(vmotionSchema.options)
    .default('auto'),
  new Option(
    '--guest-away <how>',
    'for a short outage: suspend the guest, or shut it down and boot it (default: suspend)',
  ).choices(['suspend', 'shut-down']),
];

export function vmotionRequest({
  vmotion,
  guestAway,
}: VmotionOptions): Pick<FinalizeRequest, 'vmotion' | 'guestAway'> {
  if (guestAway === undefined) return { vmotion };
  const how: GuestAway = guestAway === 'suspend' ? 'suspend' : 'shutDown';
  return { vmotion, guestAway: how };
}
