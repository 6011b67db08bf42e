// The door of the vSphere engine: a thin vim25 SOAP client for vCenter and standalone ESXi, 6.5 to 9.
export { connect } from './connect.ts';
export { VsphereError, type VsphereErrorCode } from './errors.ts';
export { readFingerprint } from './fingerprint.ts';
export type * from './types.ts';
