// From the name of a vim25 fault to one of our codes: the only place where faults are told apart. A fault that
// is not listed is what the nearest listed one that it is a kind of is.
import { VsphereError, type VsphereErrorCode } from '../errors.ts';
import { faultBases } from '../schema/vim25.ts';
import { child, childText, type XmlElement } from './parse.ts';

export const NOT_AUTHENTICATED = 'NotAuthenticated';

const codes: Readonly<Record<string, VsphereErrorCode>> = {
  AlreadyExists: 'AlreadyExists',
  AuthenticationRequired: 'InvalidLogin',
  ConcurrentAccess: 'TaskInProgress',
  DatastoreNotWritableOnHost: 'InvalidState',
  DuplicateName: 'NameTaken',
  FileAlreadyExists: 'AlreadyExists',
  FileFault: 'PowerOnFailed',
  FileLocked: 'ResourceInUse',
  FileNotFound: 'NotFound',
  HostCommunication: 'TargetUnavailable',
  HostNotConnected: 'TargetUnavailable',
  InsufficientResourcesFault: 'PowerOnFailed',
  InvalidArgument: 'InvalidInput',
  InvalidDatastore: 'InvalidInput',
  InvalidLogin: 'InvalidLogin',
  InvalidName: 'InvalidInput',
  InvalidPowerState: 'InvalidPowerState',
  InvalidRequest: 'NotSupported',
  InvalidState: 'InvalidState',
  ManagedObjectNotFound: 'NotFound',
  MigrationFault: 'NotSupported',
  NoDiskSpace: 'StorageFull',
  NoPermission: 'NoPermission',
  [NOT_AUTHENTICATED]: 'TargetUnavailable',
  NotEnoughLicenses: 'LicenceRestricted',
  NotFound: 'NotFound',
  NotImplemented: 'NotSupported',
  NotSupported: 'NotSupported',
  OutOfBounds: 'InvalidInput',
  RequestCanceled: 'Cancelled',
  ResourceInUse: 'ResourceInUse',
  RestrictedVersion: 'LicenceRestricted',
  TaskInProgress: 'TaskInProgress',
  SnapshotFault: 'InvalidState',
  Timedout: 'TargetUnavailable',
  ToolsUnavailable: 'InvalidState',
  VmConfigFault: 'PowerOnFailed',
};

export function codeOfFault(fault: string): VsphereErrorCode {
  for (let each: string | undefined = fault; each !== undefined; each = faultBases[each]) {
    const code = codes[each];
    if (code !== undefined) return code;
  }
  return 'Unexpected';
}

/**
 * What a SOAP Fault, or a task's LocalizedMethodFault, says; `what` names the call and its object.
 * @param privilege is the one that the account lacks, where the server names it.
 */
export function errorOfFault(fault: string, text: string, what: string, privilege?: string): VsphereError {
  const code = codeOfFault(fault);
  const said = text.trim() === '' ? fault : `${fault}: ${text.trim()}`;
  const way = wayOut(code, privilege);
  const message =
    way === undefined ? `${what} failed: ${said}` : `${what} failed: ${said.replace(/\.$/, '')}. ${way}`;
  return new VsphereError(code, message, { fault });
}

/** The error in a `soap:Fault` element. */
export function errorOfSoapFault(element: XmlElement, what: string): VsphereError {
  const detail = child(element, 'detail')?.children[0];
  const fault = detail?.xsiType ?? detail?.name.replace(/Fault$/, '') ?? 'SystemError';
  const privilege = detail === undefined ? undefined : childText(detail, 'privilegeId');
  return errorOfFault(fault, childText(element, 'faultstring') ?? '', what, privilege);
}

function wayOut(code: VsphereErrorCode, privilege: string | undefined): string | undefined {
  if (code !== 'NoPermission' || privilege === undefined) return waysOut[code];
  return `Give the account the privilege ${privilege}, or use another account.`;
}

const waysOut: Partial<Record<VsphereErrorCode, string>> = {
  InvalidLogin: 'Check the user name (with its domain) and the password.',
  NoPermission: 'Give the account the privilege, or use another account.',
  LicenceRestricted:
    'The licence of the host does not allow changes through the API; a free ESXi edition never does.',
};
