// What a session that is over may have left behind, looked for where it could be: at the target, at the gateway,
// in the site's state folder. Nobody is asked who could be wrong about it but the inventory and the files.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { datastoreName } from '../contract/index.ts';
import { controlSocketPath, GatewayClient } from '../gateway/index.ts';
import { connect } from '../vsphere/index.ts';
import type { Stack } from './stack.ts';

/** In words, one for each thing that is left; empty if there is nothing. Without a session: of any session. */
export async function leftovers(stack: Stack, session?: string): Promise<string[]> {
  return [...(await atTarget(stack)), ...(await atSites(stack, session))];
}

async function atTarget({ lab, sites }: Stack): Promise<string[]> {
  await using vsphere = await connect(lab.ready);
  const left: string[] = [];
  for await (const vm of vsphere.listVms())
    if ('rundirect.session' in vm.extraConfig) left.push(`VM ${vm.name} (${vm.vmPathName})`);
  const ours = new Set(sites.map(({ name }) => datastoreName(name)));
  for (const { name } of (await vsphere.inventory()).datastores)
    if (ours.has(name)) left.push(`datastore ${name}`);
  for (const { name, path: folder } of lab.ready.datastores)
    for (const file of await readdir(folder))
      if (file.startsWith('rundirect-')) left.push(`folder [${name}] ${file}`);
  return left;
}

async function atSites({ sites }: Stack, session: string | undefined): Promise<string[]> {
  const left: string[] = [];
  for (const { name, stateFolder } of sites) {
    const gateway = new GatewayClient(controlSocketPath(stateFolder));
    for (const each of await gateway.exports()) left.push(`${name}: export ${each.sessionId}`);
    for (const lease of await gateway.leases()) left.push(`${name}: lease of ${lease.sessionId}`);
    left.push(...(await filesOf(stateFolder, session)).map((file) => `${name}: ${file}`));
  }
  return left;
}

/** Overlays of anybody, and files in the session's name but the mark that it was dropped, which is kept for good. */
async function filesOf(stateFolder: string, session: string | undefined): Promise<string[]> {
  const files = await readdir(stateFolder, { recursive: true });
  return files.filter(
    (file) => session !== undefined && path.basename(file).includes(session) && !file.startsWith('dropped/'),
  );
}
