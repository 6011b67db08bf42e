// What can't be read of a VM's folder, in words: which file or folder, why, and what to do.
import { readdir } from 'node:fs/promises';
import { messageOf, VmFolderError } from './vm-folder-error.ts';

/** The error for a file or folder that does not open or give its bytes. */
export function unreadable(path: string, cause: unknown): VmFolderError {
  return new VmFolderError('SourceInvalid', `${path} can't be read: ${reason(cause)}`, { cause });
}

/** The names in a folder. Throws VmFolderError SourceInvalid. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw unreadable(folder, error);
  }
}

function reason(cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException | undefined)?.code) {
    case 'ENOENT':
      return 'there is nothing of that name.';
    case 'ELOOP':
      return 'it is a symbolic link, and none is followed. Put the file itself there.';
    case 'EACCES':
    case 'EPERM':
      return "permission denied. The user that the site's worker runs as must be able to read it.";
    case 'EIO':
      return 'the disk or the network share reports an input/output error (EIO).';
    case undefined:
    default:
      return `${messageOf(cause)}.`;
  }
}
