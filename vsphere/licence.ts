// Whether the licence lets the API change anything. A free ESXi answers RestrictedVersion to every write, but
// only when it is tried; its licence says so before. A host with the free licence can't be in a vCenter.
import { VsphereError } from './errors.ts';
import { readObject } from './property-collector.ts';
import type { Session } from './session.ts';
import type { CallOptions, LicenceFinding } from './types.ts';

/** Edition key of the free hypervisor. */
const FREE_EDITION = 'esxBasic';

export async function readLicence(session: Session, options: CallOptions = {}): Promise<LicenceFinding> {
  const { licenseManager, about } = session.content;
  const unknown = { allowsWrites: true, edition: undefined };
  if (licenseManager === undefined) return unknown;
  try {
    const ref = { type: 'LicenseManager', value: licenseManager.value } as const;
    const licence = (await readObject(session, ref, ['licenses'], options))?.read.licenses?.[0];
    if (licence === undefined) return unknown;
    const isFree = about.apiType === 'HostAgent' && licence.editionKey === FREE_EDITION;
    return { allowsWrites: !isFree, edition: `${licence.name} (${licence.editionKey})` };
  } catch (error) {
    // Licences are shown to administrators only; who may not see them finds out by the first write.
    if (error instanceof VsphereError && error.code === 'NoPermission') return unknown;
    throw error;
  }
}
