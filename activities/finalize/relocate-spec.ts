// A finalize's plan as the vSphere engine takes it: the whole VM, every disk and its own files, to one datastore.
import type { FinalizePlan } from '../../contract/index.ts';
import type { RelocateSpec } from '../../vsphere/index.ts';

export function relocateSpec({
  datastore,
  host,
  folder,
  resourcePool,
}: Pick<FinalizePlan, 'datastore' | 'host' | 'folder' | 'resourcePool'>): RelocateSpec {
  return {
    datastore: datastore.moref,
    ...(folder === undefined ? {} : { folder }),
    ...(resourcePool === undefined ? {} : { pool: resourcePool }),
    ...(host === undefined ? {} : { host: host.moref }),
  };
}
