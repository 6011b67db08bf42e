// Where a crossing's files lie, as vSphere takes paths in calls: `[datastore] folder/file`.
import path from 'node:path';
import type { CrossingStepInput, TargetStepInput } from '../../../contract/index.ts';
import { folderPath } from '../../production-place.ts';

/** The session's directory on the gateway's datastore, without a slash at the end. */
export const sessionFolder = ({ placement, exported }: TargetStepInput): string =>
  `[${placement.datastore}] ${path.posix.dirname(exported.vmxPath)}`;

export const productionFolder = ({ crossing }: Pick<CrossingStepInput, 'crossing'>): string =>
  folderPath(crossing.folder);

export const vmxNameOf = ({ exported }: TargetStepInput): string => path.posix.basename(exported.vmxPath);

export const vmxInProduction = (input: CrossingStepInput): string =>
  `${productionFolder(input)}/${vmxNameOf(input)}`;

/** The plain name of a file by its path. */
export const nameOf = (file: string): string => path.posix.basename(file);
