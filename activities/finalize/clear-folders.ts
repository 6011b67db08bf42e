// Removes files that lie in a VM's way and that nobody uses, as somebody asked for. Who uses what is looked at once
// more, right before: a VM may have been registered from them meanwhile, or be on its way there, or it is the one that
// has come.
import type { MigrateVmInput } from '../../contract/index.ts';
import type { VmSummary } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { namesOf, usersOf, whyForeign, whyInUse } from './leftover-files.ts';

export async function clearFolders(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: MigrateVmInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const folders = input.plan.overwrite ?? [];
  await withTarget(deps, step, input.target, async (vsphere) => {
    const { signal } = step;
    const { plan, placement } = input;
    const { hosts } = await vsphere.inventory({ signal });
    const host = hosts.find(({ moref }) => moref === (plan.host ?? placement.host).moref);
    const vms: VmSummary[] = [];
    for await (const vm of vsphere.listVms({ templates: true, signal })) vms.push(vm);
    for (const folder of folders) {
      const datacenter = host?.datacenter.moref;
      const [user] = usersOf(await namesOf(vsphere, folder, { signal, datacenter }), vms);
      if (user?.moref === input.moref) continue;
      if (user !== undefined) {
        throw failureFor(
          'NotOurs',
          `${folder} belongs to ${user.name} (${user.moref}) now: nothing is removed there. Finalize under another ` +
            'name with --name',
        );
      }
      const files = (await vsphere.listFolder(folder, { signal, datacenter })) ?? [];
      const paths = files.map(({ path }) => path);
      const kept = whyInUse(folder, paths, input.sessionId) ?? whyForeign(folder, files);
      if (kept !== undefined) throw failureFor('NotOurs', `Nothing is removed: ${kept}`);
      await vsphere.deleteDatastoreFile(folder, { signal, datacenter });
    }
  });
}
