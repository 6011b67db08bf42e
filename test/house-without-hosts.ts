// A site with everything real but its host: vault, gateway, site key and steps; and a small VM to back up.
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ActivityDeps, createActivities } from '../activities/index.ts';
import { type SealedSecret, type SiteActivities, type StartInput, targetSubject } from '../contract/index.ts';
import { GatewayClient, startGateway } from '../gateway/index.ts';
import { loadSiteKey, seal } from '../secrets/index.ts';
import { initVault, openVault } from '../vault/index.ts';
import { openVmFolder } from '../vm-folder/index.ts';
import { FakeTarget } from './fake-target.ts';

const quiet = (): void => undefined;
const DISK_BYTES = 3 << 20;
const address = { host: 'esx.example', port: 443, user: 'root' };

export interface SiteHouse extends AsyncDisposable {
  readonly folder: string;
  readonly vault: string;
  readonly vmFolder: string;
  readonly gateway: GatewayClient;
  readonly target: FakeTarget;
  readonly deps: ActivityDeps;
  readonly activities: SiteActivities;
  seal(workflowId: string, purpose: 'set-passphrase' | 'target-password', secret: string): SealedSecret;
  /** Fills in a start's source and target. */
  startInput(input: StartInput, passphrase: string, password: string): StartInput;
}

export const BACKUP_SET = 'web';

export async function openSiteHouse(site: string, password: string): Promise<SiteHouse> {
  const folder = await mkdtemp(join(tmpdir(), 'site-'));
  const stateDirectory = join(folder, 'state');
  const vault = join(folder, 'vault');
  const running = await startGateway({
    stateDirectory,
    advertise: '127.0.0.1',
    host: '127.0.0.1',
    ports: { nfs: 0, mount: 0, portmap: 'off' },
    log: { info: quiet, warn: quiet, error: quiet },
  });
  const siteKey = await loadSiteKey(stateDirectory);
  const target = new FakeTarget();
  target.password = password;
  const gateway = new GatewayClient(running.controlSocketPath);
  const deps: ActivityDeps = {
    ...{
      site,
      siteKey,
      gateway,
      targets: target.targets,
      allow: [],
      drillReports: join(stateDirectory, 'drills'),
      proofs: join(stateDirectory, 'proofs'),
      parallelMigrations: 2,
    },
    vaults: { init: initVault, open: openVault },
    vmFolders: { open: openVmFolder },
  };
  const sealFor: SiteHouse['seal'] = (workflowId, purpose, secret) => {
    const subject = purpose === 'set-passphrase' ? BACKUP_SET : targetSubject(address);
    return seal(siteKey.publicKey, new TextEncoder().encode(secret), { workflowId, purpose, subject });
  };
  return {
    ...{ folder, vault, gateway, target, deps },
    vmFolder: await writeVm(folder),
    activities: createActivities(deps),
    seal: sealFor,
    startInput: (input, passphrase, targetPassword) => ({
      ...input,
      source: {
        vault,
        backupSet: BACKUP_SET,
        jobId: 'latest',
        vmName: 'web01',
        passphrase: sealFor(input.sessionId, 'set-passphrase', passphrase),
      },
      target: {
        ...address,
        fingerprint: 'A'.repeat(64),
        password: sealFor(input.sessionId, 'target-password', targetPassword),
      },
      // The overlay's reserve shall fit on any machine.
      reserveFactor: 0.1,
    }),
    [Symbol.asyncDispose]: async () => {
      await running.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function writeVm(folder: string): Promise<string> {
  const vmFolder = join(folder, 'web01');
  await mkdir(vmFolder);
  const vmx =
    '.encoding = "UTF-8"\ndisplayName = "web01"\nvirtualHW.version = "19"\n' +
    'scsi0.present = "TRUE"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "web01.vmdk"\n';
  const descriptor =
    '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="vmfs"\n' +
    `RW ${DISK_BYTES / 512} VMFS "web01-flat.vmdk"\n`;
  await writeFile(join(vmFolder, 'web01.vmx'), vmx);
  await writeFile(join(vmFolder, 'web01.vmdk'), descriptor);
  await writeFile(join(vmFolder, 'web01-flat.vmdk'), randomBytes(DISK_BYTES));
  return vmFolder;
}
