// The way out of each failure: what to do next, for every type that a site can report. The message of a failure
// says what happened and on what; the hint is what a person can do about it from here.
import type { FailureType } from '../../contract/index.ts';

export const hints = {
  InvalidInput: 'Correct the command and give it again; `--help` shows what it takes.',
  PreflightFailed: 'Nothing was touched. Settle each finding, then give the command again.',
  VaultNotFound: 'Check --vault (an absolute folder, as the site sees it) and --site.',
  NotAVault: 'Check --vault. A new vault is made in an empty folder with: rundirect vault init',
  VaultExists: 'Use the vault that is there, or name another folder.',
  BackupNotFound: 'See what the vault holds with: rundirect vault list',
  ChainBroken: 'Start from an older job (rundirect vault list), and make a new full: rundirect backup --full',
  BlockCorrupt:
    'Start from an older job (rundirect vault list), and make a new full: rundirect backup --full',
  KeyRejected: 'Check the passphrase; it belongs to the backup set, not to the vault or the VM.',
  FormatUnsupported:
    'A newer version wrote it, or it is damaged: update the site, or restore the file that the message names from a copy.',
  DestinationRefused: 'Settle at the site what the message says, then give the command again.',
  SourceInvalid:
    "Settle what the message says; the folder to name is the one that holds the VM's .vmx, as the site sees it.",
  SourceInUse: 'Shut the VM down first; its disks must be closed.',
  SourceChanged: 'Something wrote to the disks during the backup. Shut the VM down and back it up again.',
  SecretRejected:
    "A new command: compare the site's key with what its worker printed, and pin it: rundirect site pin. A session that " +
    "runs needs the key that it was started with: bring back the file site-key in its site's state folder.",
  InvalidLogin:
    "Check --user and the password of the target's account. A session that runs keeps to those it was started with: " +
    'give the account that password again until the session has ended.',
  CertificateMismatch:
    'Somebody may be in between. Compare what it shows now (rundirect target show) with the host itself, and only ' +
    'then trust it: rundirect target pin HOST --fingerprint … A session that runs keeps to the certificate that it was ' +
    'started with: give the host that one again until the session has ended.',
  NoPermission: 'Give the account the privileges that the message names, or use another one.',
  LicenceRestricted: 'The free ESXi licence forbids changes over the network; a paid licence is needed.',
  NotSupported: "The target or the VM can't do this; the message says which part.",
  NotFound: 'Check the name; --host, --folder and --resource-pool are as the target shows them.',
  ReportNotFound:
    'See those that there are with: rundirect drill list (of --report-dir, if the drill was given one)',
  NameTaken: 'Choose another name with: --name',
  DatastoreConflict:
    "A datastore of that name points elsewhere on this host. Unmount it, or change the site's gateway address.",
  ExportDropped: 'This session has ended and its changes are gone. Start a new one.',
  NotOurs: 'The VM there is not the one that this session made, so it was left alone.',
  VmMoved:
    'Somebody moved or changed the VM in the vSphere Client, so it was left alone. Settle what the message says, then give ' +
    'the command again.',
  PowerOnFailed: 'The message is what the host said. Start with --no-power-on to look at the VM first.',
  GuestRuns:
    'Shut it down in the vSphere Client, or say that it may be powered off: rundirect clean-up SESSION --power-off',
  NotRunning: 'See how it ended with: rundirect show SESSION',
  AlreadyStopping: 'See how far it is with: rundirect watch --follow SESSION',
  AlreadyFinalizing:
    'See how far it is with: rundirect watch --follow SESSION; end it with: rundirect finalize --cancel SESSION',
  NotFinalizing: 'See how it is with: rundirect show SESSION',
  NoQuestion: 'See what the host asks with: rundirect answer SESSION',
  AlreadyKeeping:
    'See how far it is with: rundirect watch --follow SESSION; end it with: rundirect keep --cancel SESSION',
  NotKeeping: 'See how it is with: rundirect show SESSION',
  KeepCancelled: 'The session runs on with every change. Keep it again whenever it suits.',
  FinalizeCancelled: 'The VM runs from its backup as before. Finalize it again whenever it suits.',
  MigrationFailed:
    'The VM runs from its backup as before, with every change. Settle what the target said, then finalize it again.',
  CopyFailed:
    'Nothing of the restore is left at the target. Settle what the message says, then restore it again; `--verify before` ' +
    'tells damage of the backup first.',
  AttachFailed:
    'The message is what the target said; nothing of the disk is left there. Settle that, then restore it again.',
  BackupInProgress: 'Wait for the other backup of this set to end, then give the command again.',
  DestinationUnavailable: 'Check that the site reaches the place where the vault is.',
  StorageFull: 'Make room where the message says, or ask for less space (a start: --reserve-factor).',
  TargetUnavailable: 'Check the address of the target, and that the site reaches it.',
  TaskInProgress: 'The target is still busy with an earlier task. Give the command again later.',
  ResourceInUse: 'Something still uses it on the host. Give the command again later.',
  GatewayUnavailable: "Start the site's gateway: rundirect gateway --site NAME --advertise ADDRESS",
  GatewayOutdated:
    "Upgrade the site's gateway before its worker, and start it again: VMs that run from it wait for it.",
  SiteUnavailable: 'Start the worker of the site: rundirect worker --site NAME',
  Unexpected: "See the session's history in Temporal's web page, and the worker's log.",
} as const satisfies Record<FailureType, string>;
