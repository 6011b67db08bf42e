import { expect, test } from 'vitest';
import { vsphereErrorCodes } from '../errors.ts';
import { envelope } from '../testing/scripted-server.ts';
import { decodeResponse } from './envelope.ts';
import { codeOfFault, errorOfFault } from './fault.ts';

test.each([
  ['InvalidLogin', 'InvalidLogin'],
  ['InvalidLocale', 'Unexpected'],
  ['NoPermission', 'NoPermission'],
  ['RestrictedVersion', 'LicenceRestricted'],
  ['InsufficientLicenses', 'Unexpected'],
  ['NotEnoughLicenses', 'LicenceRestricted'],
  ['NotSupported', 'NotSupported'],
  ['HostDoesNotSupportFeature', 'Unexpected'],
  ['MethodNotFound', 'NotSupported'],
  ['NotImplemented', 'NotSupported'],
  ['ManagedObjectNotFound', 'NotFound'],
  ['NotFound', 'NotFound'],
  ['FileNotFound', 'NotFound'],
  ['DuplicateName', 'NameTaken'],
  ['AlreadyExists', 'AlreadyExists'],
  ['FileAlreadyExists', 'AlreadyExists'],
  ['ResourceInUse', 'ResourceInUse'],
  ['FileLocked', 'ResourceInUse'],
  ['TaskInProgress', 'TaskInProgress'],
  ['VAppTaskInProgress', 'TaskInProgress'],
  ['InvalidPowerState', 'InvalidPowerState'],
  ['InvalidState', 'InvalidState'],
  ['InvalidHostState', 'InvalidState'],
  ['ToolsUnavailable', 'InvalidState'],
  ['NoDiskSpace', 'StorageFull'],
  ['InsufficientResourcesFault', 'PowerOnFailed'],
  ['InsufficientMemoryResourcesFault', 'PowerOnFailed'],
  ['FileFault', 'PowerOnFailed'],
  ['CannotAccessFile', 'PowerOnFailed'],
  ['GenericVmConfigFault', 'PowerOnFailed'],
  ['DeviceNotSupported', 'PowerOnFailed'],
  ['InvalidDatastorePath', 'InvalidInput'],
  ['InvalidName', 'InvalidInput'],
  ['InvalidArgument', 'InvalidInput'],
  ['HostNotReachable', 'TargetUnavailable'],
  ['NotAuthenticated', 'TargetUnavailable'],
  ['RequestCanceled', 'Cancelled'],
  ['SystemError', 'Unexpected'],
  ['AFaultOfTheFuture', 'Unexpected'],
])('%s is %s', (fault, code) => {
  expect(codeOfFault(fault)).toBe(code);
  expect(vsphereErrorCodes).toContain(code);
});

test.each([
  ['the type of the detail', '<detail><Fault xmlns="urn:vim25" xsi:type="vim25:DuplicateName"/></detail>'],
  ['the name of the detail', '<detail><v:DuplicateNameFault xmlns:v="urn:vim25"/></detail>'],
])('a SOAP fault is known by %s', (_how, detail) => {
  const fault = `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>The name 'a &amp; b' already exists.</faultstring>${detail}</soapenv:Fault>`;
  const decode = () => decodeResponse('RemoveDatastore', envelope(fault), 'RemoveDatastore on h');
  expect(decode).toThrow(
    expect.objectContaining({
      code: 'NameTaken',
      fault: 'DuplicateName',
      message: "RemoveDatastore on h failed: DuplicateName: The name 'a & b' already exists.",
    }) as Error,
  );
});

test('names the privilege that an account lacks', () => {
  const detail =
    '<detail><NoPermissionFault xsi:type="NoPermission"><object type="Folder">group-v1</object>' +
    '<privilegeId>VirtualMachine.Inventory.Register</privilegeId></NoPermissionFault></detail>';
  const fault = `<soapenv:Fault><faultcode>x</faultcode><faultstring>Denied.</faultstring>${detail}</soapenv:Fault>`;
  expect(() => decodeResponse('RemoveDatastore', envelope(fault), 'It')).toThrow(
    'It failed: NoPermission: Denied. Give the account the privilege VirtualMachine.Inventory.Register, or use another',
  );
});

test('a SOAP fault without a detail is the server talking about itself', () => {
  const fault = '<soapenv:Fault><faultcode>Client</faultcode><faultstring>Oops</faultstring></soapenv:Fault>';
  expect(() => decodeResponse('CurrentTime', envelope(fault), 'Asking')).toThrow(
    expect.objectContaining({ code: 'Unexpected', fault: 'SystemError' }) as Error,
  );
});

test('a licence that forbids it is told with the way out', () => {
  const error = errorOfFault(
    'RestrictedVersion',
    'Current license or ESXi version prohibits execution.',
    'Mounting',
  );
  expect(error.message).toContain('free ESXi');
});
