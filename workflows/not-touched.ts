// A VM of which some is in production and some still with its session: whoever ends the session leaves it alone, and says
// how a person settles it.
import type { VmSighting } from '../contract/index.ts';
import type { Reason } from './failure.ts';

/**
 * Undefined where it is the session's, or none of it is.
 * @param words `vm`: what it is called. `where`: where some of it lies. `then`: what to do once that is settled.
 */
export function notTouched(
  { standing, detail, wayOut }: Pick<VmSighting, 'standing' | 'detail' | 'wayOut'>,
  { vm, where, then }: { readonly vm: string; readonly where: string; readonly then: string },
): Reason | undefined {
  if (standing === 'crossing') {
    const message =
      `${vm} is not touched: it was taken half way to production, where it stands on its changes in the session ` +
      `(${detail}). Consolidate its disks in the vSphere Client, or unregister it there, then ${then}`;
    return { type: 'VmMoved', message, details: [] };
  }
  if (standing !== 'partlyMoved') return undefined;
  const way =
    wayOut ?? 'Move the rest to production storage, take what is not its own off it, or unregister it';
  const message =
    `${vm} is not touched: somebody moved or changed it, and some of it still lies ${where} (${detail}). ` +
    `${way}, then ${then}`;
  return { type: 'VmMoved', message, details: [] };
}
