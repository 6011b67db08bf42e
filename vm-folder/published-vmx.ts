// The .vmx that a gateway publishes, or a restore writes: the backed-up one with only what must differ changed. Every
// path is a plain name inside its own directory, unless whoever asks for it says where a disk lies, so that nothing it
// does can reach the original's files; it carries the session's mark; it answers "moved" when the host asks whether it was
// moved or copied.
import { publishedAddresses } from './mac-addresses.ts';
import type { PublishOptions } from './types.ts';
import type { Vmx } from './vmx.ts';
import { baseName, disksOf, mediaOf, networkCardsOf } from './vmx-devices.ts';

/** Where things are, or were, while the original ran: the host writes its own. */
const REMOVED_KEYS = [
  'workingDir',
  'suspend.directory',
  'snapshot.directory',
  'snapshot.redoNotWithParent',
  'checkpoint.vmState',
  'checkpoint.vmState.readOnly',
  'sched.swap.derivedName',
  'sched.swap.dir',
  'extendedConfigFile',
  'migrate.hostlog',
  'migrate.hostLogState',
  'migrate.migrationId',
  'vmxstats.filename',
];
/** Prose and the guest's own data may look like a path and is none. */
const PROSE = /^(annotation|displayname|guestinfo\.)/;
const LEADS_OUT = /^(?:\/|\[[^\]]+\]\s.*\/|(?:.*\/)?\.\.\/)/;
const OTHER_SWITCH = /^ethernet\d+\.(?:dvs|opaquenetwork|externalid)\b/;
const PORT_FILE = /^(?:serial|parallel)\d+\.filename$/;

/** The mark by which a VM is known to be a session's. */
export const SESSION_KEY = 'rundirect.session';

export function publishedVmx(vmx: Vmx, options: PublishOptions): string {
  const changes = {
    ...withoutPathsOut(vmx),
    ...Object.fromEntries(REMOVED_KEYS.map((key) => [key, undefined])),
    ...disconnectedMedia(vmx),
    ...diskFiles(vmx, options),
    ...networkOf(vmx, options.network),
    ...publishedAddresses(vmx, options),
    ...identity(vmx, options),
    ...redirectedChanges(options),
  };
  return vmx.with(changes).serialize();
}

function identity(
  vmx: Vmx,
  { sessionId, displayName, uuid }: PublishOptions,
): Record<string, string | undefined> {
  const nvram = vmx.get('nvram');
  const note = vmx.get('annotation') ?? '';
  const mark = noteOf(sessionId);
  return {
    displayName,
    ...(nvram === undefined ? {} : { nvram: baseName(nvram) }),
    annotation: note === '' ? mark : `${note}\n${mark}`,
    'uuid.action': uuid === 'renew' ? 'create' : 'keep',
    // The instance's is made anew wherever there is none.
    ...(uuid === 'renew' ? { 'vc.uuid': undefined } : {}),
    [SESSION_KEY]: sessionId,
  };
}

/** A host puts a snapshot's disks of changes there, and the VM's swap file. */
function redirectedChanges({ changesDirectory }: PublishOptions): Record<string, string> {
  if (changesDirectory === undefined) return {};
  return { workingDir: changesDirectory, 'snapshot.redoNotWithParent': 'TRUE' };
}

/** What a person reads at the VM. */
const noteOf = (sessionId: string): string =>
  `[Run Direct session ${sessionId}: this VM runs from its backup]`;

/** An annotation as it was before it was published; one without the session's note stays as it is. */
export function withoutMark(annotation: string, sessionId: string): string {
  const mark = noteOf(sessionId);
  return annotation.replace(`\n${mark}`, '').replace(mark, '');
}

function diskFiles(vmx: Vmx, { disksElsewhere = {} }: PublishOptions): Record<string, string> {
  const fileOf = (diskName: string): string => disksElsewhere[diskName] ?? diskName;
  return Object.fromEntries(
    disksOf(vmx).map(({ device, diskName }) => [`${device}.fileName`, fileOf(diskName)]),
  );
}

/** The drives stay, without a medium: what they had lies outside the backup. */
function disconnectedMedia(vmx: Vmx): Record<string, string> {
  const changes: Record<string, string> = {};
  for (const { device } of mediaOf(vmx)) {
    changes[`${device}.startConnected`] = 'FALSE';
    changes[`${device}.clientDevice`] = 'TRUE';
    changes[`${device}.fileName`] = 'emptyBackingString';
    if (device.startsWith('floppy')) changes[`${device}.fileType`] = 'device';
    else changes[`${device}.deviceType`] = 'cdrom-raw';
  }
  return changes;
}

function networkOf(vmx: Vmx, network: PublishOptions['network']): Record<string, string | undefined> {
  if (network === 'original') return {};
  if (network === 'disconnected') return unpluggedCards(vmx);
  return cardsOn(vmx, network.portGroup);
}

function unpluggedCards(vmx: Vmx): Record<string, string> {
  return Object.fromEntries(networkCardsOf(vmx).map((card) => [`${card}.startConnected`, 'FALSE']));
}

/** What ties a card to a distributed or opaque switch goes: a host prefers it to the name. */
function cardsOn(vmx: Vmx, portGroup: string): Record<string, string | undefined> {
  const changes: Record<string, string | undefined> = {};
  for (const [key] of vmx.entries()) if (OTHER_SWITCH.test(key)) changes[key] = undefined;
  for (const card of networkCardsOf(vmx)) changes[`${card}.networkName`] = portGroup;
  return changes;
}

/** A port that writes to a file goes on doing so, in the VM's directory; any other path that leads out of it goes. */
function withoutPathsOut(vmx: Vmx): Record<string, string | undefined> {
  const changes: Record<string, string | undefined> = {};
  for (const [key, value] of vmx.entries()) {
    if (PROSE.test(key) || !LEADS_OUT.test(value)) continue;
    changes[key] = PORT_FILE.test(key) ? baseName(value) : undefined;
  }
  return changes;
}
