// A finalize's plan as the vSphere engine takes it: the VM's own files and every disk to their datastores, its cards to
// their networks.
import type { FinalizePlan } from '../../contract/index.ts';
import type { RelocateSpec, Vm } from '../../vsphere/index.ts';
import { changeOf } from '../connect-cards.ts';

type Chosen = Pick<FinalizePlan, 'datastore' | 'disks' | 'cards' | 'host' | 'folder' | 'resourcePool'>;

/** @param vm is whose cards are changed; without it none is. */
export function relocateSpec(
  { datastore, disks, cards, host, folder, resourcePool }: Chosen,
  vm?: Vm,
): RelocateSpec {
  const networks = vm === undefined ? [] : (cards ?? []).flatMap((card) => changeOf(vm, card) ?? []);
  return {
    datastore: datastore.moref,
    ...(disks === undefined
      ? {}
      : { disks: disks.map(({ key, datastore: to }) => ({ key, datastore: to.moref })) }),
    ...(networks.length === 0 ? {} : { networks }),
    ...(folder === undefined ? {} : { folder }),
    ...(resourcePool === undefined ? {} : { pool: resourcePool }),
    ...(host === undefined ? {} : { host: host.moref }),
  };
}
