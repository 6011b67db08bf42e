// Whether a VM has arrived: every file of it, as the target shows them, lies where the plan says.
import type { FinalizePlan } from '../../contract/index.ts';
import type { Vm } from '../../vsphere/index.ts';

/** Files that lie elsewhere: `[datastore] folder/name`. */
export function filesElsewhere(
  { vmPathName, disks }: Pick<Vm, 'vmPathName' | 'disks'>,
  plan: Pick<FinalizePlan, 'datastore' | 'disks'>,
): readonly string[] {
  const isOn = (file: string, { name }: FinalizePlan['datastore']): boolean => file.startsWith(`[${name}] `);
  // By its node: one that was registered anew may call its devices by other keys.
  const ofDisks = disks.flatMap(({ node, fileName, parents }) => {
    const to = plan.disks?.find((each) => each.node === node)?.datastore ?? plan.datastore;
    return [fileName, ...parents].filter((file) => !isOn(file, to));
  });
  return isOn(vmPathName, plan.datastore) ? ofDisks : [vmPathName, ...ofDisks];
}
