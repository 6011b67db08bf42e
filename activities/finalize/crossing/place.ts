// Where a crossing's files lie, in the forms in which vSphere takes paths: `[datastore] folder/file` in calls,
// `/vmfs/volumes/datastore/folder/file` in a .vmx or a descriptor that leads to another datastore.
import path from 'node:path';
import type { CrossingStepInput, TargetStepInput } from '../../../contract/index.ts';

/** The session's directory on the gateway's datastore, without a slash at the end. */
export const sessionFolder = ({ placement, exported }: TargetStepInput): string =>
  `[${placement.datastore}] ${path.posix.dirname(exported.vmxPath)}`;

export const productionFolder = ({ crossing }: Pick<CrossingStepInput, 'crossing'>): string =>
  `[${crossing.folder.datastore}] ${crossing.folder.folder}`;

export const vmxNameOf = ({ exported }: TargetStepInput): string => path.posix.basename(exported.vmxPath);

export const vmxInProduction = (input: CrossingStepInput): string =>
  `${productionFolder(input)}/${vmxNameOf(input)}`;

/** The plain name of a file by its path. */
export const nameOf = (file: string): string => path.posix.basename(file);

/** `[datastore] folder/file` as hosts read it from anywhere. */
export function absolute(file: string): string {
  return file.replace(/^\[([^\]]+)\] ?/, '/vmfs/volumes/$1/');
}
