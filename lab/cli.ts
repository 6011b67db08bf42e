// `rundirect lab …`: the lab for people, on the same code as the tests.
import { writeFileSync } from 'node:fs';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { Lab, LabOptions, LabVm, NewLabVm } from './lab.ts';
import { LabError } from './lab.ts';
import { findPersonalLab, passwordFile, personalLabFolder, startPersonalLab, stopPersonalLab } from './up.ts';

const EXIT_USAGE = 2;
const SHUTDOWN_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 100;
const print = (text: string): void => writeFileSync(process.stdout.fd, `${text}\n`);
const tell = (text: string): void => writeFileSync(process.stderr.fd, `${text}\n`);

const program = new Command('rundirect lab')
  .description('vSphere without ESXi: hosts that mount real NFS datastores and run real guests in QEMU')
  .option('--json', 'print one JSON document')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE))
  .addHelpText(
    'after',
    `
Examples:
  rundirect lab up --model vcenter         start a vCenter with two hosts
  rundirect lab vm web --disk 64           make a VM with a second disk on datastore1
  rundirect lab power web on
  rundirect lab guest web "WRITE hello"    have its guest write a line to its disk
  rundirect lab power web shutdown         let its guest shut down, and wait until it is off
  rundirect lab destroy web                the disaster: the VM and its disks are gone
  rundirect lab status
  rundirect lab down --wipe                end it and remove its datastores

The target's password is in a file of its own; rundirect lab status shows where.`,
  );

/** Prints for people, or as JSON. */
function show(document: unknown, lines: readonly string[]): void {
  print(program.opts<{ json?: boolean }>().json === true ? JSON.stringify(document) : lines.join('\n'));
}

function integer(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is needed.');
  return value;
}

function describe(lab: Lab): string[] {
  return [
    `lab          ${lab.url} (${lab.model}, process ${lab.pid})`,
    `user         ${lab.user}`,
    `password in  ${passwordFile(lab.directory)}`,
    `fingerprint  ${lab.fingerprint}`,
    `NFS ports    ${lab.nfsPort} (NFS), ${lab.mountPort} (MOUNT)`,
    ...lab.datastores.map(({ name, path }) => `datastore    ${name}  ${path}`),
    ...lab.vsans.map(({ name, path }) => `vSAN         ${name}  ${path}`),
  ];
}

function publicly({
  url,
  host,
  port,
  user,
  fingerprint,
  model,
  pid,
  directory,
  datastores,
  vsans,
  ...rest
}: Lab): object {
  const { nfsPort, mountPort } = rest;
  return { url, host, port, user, fingerprint, model, pid, directory, datastores, vsans, nfsPort, mountPort };
}

async function needLab(): Promise<Lab> {
  const lab = await findPersonalLab();
  if (lab === undefined)
    throw new LabError(
      'NotRunning',
      `no lab runs in ${personalLabFolder()}; start one with: rundirect lab up`,
    );
  return lab;
}

/** Only then is there a guest to wait for. */
const isOn = async (lab: Lab, vm: string): Promise<boolean> =>
  (await lab.vms()).some(
    ({ name, moref, powerState }) => (name === vm || moref === vm) && powerState === 'poweredOn',
  );

/** Returns when the guest has powered itself off. */
async function shutDown(lab: Lab, name: string): Promise<LabVm> {
  const guest = lab.guest(name);
  if (await isOn(lab, name)) await guest.ready();
  await guest.command('HALT');
  const deadlineMs = Date.now() + SHUTDOWN_LIMIT_MS;
  for (;;) {
    const vm = (await lab.vms()).find((each) => each.name === name || each.moref === name);
    if (vm?.powerState === 'poweredOff') return vm;
    if (vm === undefined || Date.now() > deadlineMs)
      throw new LabError('Refused', `the guest of ${name} did not power itself off`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

program
  .command('up')
  .description('start the lab in the background')
  .addOption(
    new Option('--model <model>', 'a standalone ESXi or a vCenter')
      .choices(['esx', 'vcenter'])
      .default('esx'),
  )
  .option('--port <port>', 'port of the API on 127.0.0.1 (default: any free one)', integer)
  .option('--nfs-port <port>', 'port at which the hosts mount NFS servers', integer, 2049)
  .option('--mount-port <port>', 'port of their MOUNT service', integer, 20048)
  .action(async (options: LabOptions) => {
    const lab = await startPersonalLab({ ...options, progress: tell });
    show(publicly(lab), describe(lab));
  });

program
  .command('status')
  .description('show the lab, its VMs and its mounts')
  .action(async () => {
    const lab = await needLab();
    const [vms, mounts] = await Promise.all([lab.vms(), lab.mounts()]);
    show({ ...publicly(lab), vms, mounts }, [
      ...describe(lab),
      ...vms.map((vm) => `VM           ${vm.name}  ${vm.powerState}  ${vm.health}  ${vm.path}`),
      ...mounts.map(
        (m) => `mount        ${m.name}  ${m.remoteHost ?? ''}:${m.remotePath ?? ''}  on ${m.host ?? ''}`,
      ),
    ]);
  });

program
  .command('down')
  .description('end the lab: its guests are powered off, its datastores unmounted')
  .option('--wipe', 'remove the production datastores too', false)
  .action(async (options: { wipe: boolean }) => {
    const ran = await stopPersonalLab(options);
    show({ ran }, [ran ? 'the lab has ended' : 'no lab was running']);
  });

program
  .command('vm')
  .description('make a VM from the guest image, powered off')
  .argument('<name>')
  .option('--memory <MiB>', 'memory', integer, 256)
  .option('--disk <MiB...>', 'further disks', (text: string, all: number[] | undefined) => [
    ...(all ?? []),
    integer(text),
  ])
  .option('--datastore <name>', 'where it lies', 'datastore1')
  .action(async (name: string, options: { memory: number; disk?: number[]; datastore: string }) => {
    const disks = (options.disk ?? []).map((sizeMiB) => ({ sizeMiB }));
    const spec: NewLabVm = { name, memoryMiB: options.memory, datastore: options.datastore, disks };
    const vm = await (await needLab()).createVm(spec);
    show(vm, [`${vm.name}  ${vm.moref}  ${vm.path}`, vm.folder]);
  });

program
  .command('power')
  .description('power a VM on (or resume it), off, or suspend it; or let its guest shut down')
  .argument('<vm>', 'name or managed object id')
  .addArgument(new Argument('<to>').choices(['on', 'off', 'suspend', 'shutdown']))
  .action(async (name: string, to: 'on' | 'off' | 'suspend' | 'shutdown') => {
    const lab = await needLab();
    const vm = to === 'shutdown' ? await shutDown(lab, name) : await lab.power(name, to);
    show(vm, [`${vm.name}  ${vm.powerState}`]);
  });

program
  .command('destroy')
  .description('power a VM off, take it out of the inventory and delete its files')
  .argument('<vm>', 'name or managed object id')
  .action(async (name: string) => {
    await (await needLab()).destroyVm(name);
    show({ destroyed: name }, [`${name} is gone, with its disks`]);
  });

program
  .command('guest')
  .description(
    'send a command to the guest of a VM that is powered on, once it is up: PING x, WRITE text, READ, BOOTS, HALT, …',
  )
  .argument('<vm>', 'name or managed object id')
  .argument('<command>', 'see lab/guest/init')
  .action(async (vm: string, command: string) => {
    const lab = await needLab();
    const guest = lab.guest(vm);
    if (await isOn(lab, vm)) await guest.ready();
    const reply = await guest.command(command);
    const [, data] = /^DATA (.*)$/.exec(reply) ?? [];
    show({ reply }, [data === undefined ? reply : Buffer.from(data, 'base64').toString('utf8').trimEnd()]);
  });

try {
  await program.parseAsync();
} catch (error) {
  tell(error instanceof LabError ? `rundirect lab: ${error.message}` : String(error));
  process.exitCode = 1;
}
