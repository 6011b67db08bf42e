// Where a session's changes go when they do not go to the gateway: to disks of changes on a production datastore, in
// a folder that is the session's own. JSON-safe throughout.
import { z } from 'zod';
import type { ProductionFolder } from './location.ts';

export const changesPlaceSchema = z.object({
  /** Its name as the target shows it. */
  datastore: z.string().min(1).max(80),
});
export type ChangesPlace = z.infer<typeof changesPlaceSchema>;

/** The folder of a session's changes, at the top of their datastore. */
export const changesFolder = (datastore: string, sessionId: string): ProductionFolder => ({
  datastore,
  folder: `rundirect-${sessionId}`,
});
