// The character sets that .vmx files and descriptors declare about themselves. They are read in theirs and
// written in UTF-8, which every host since ESX 4 reads.
import { VmFolderError } from './vm-folder-error.ts';

/** `declaration` finds the encoding's name in the file's text; without one it is UTF-8. Throws SourceInvalid. */
export function decodeText(bytes: Uint8Array, declaration: RegExp, fileName: string): string {
  const declared = declaration.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? 'UTF-8';
  try {
    return new TextDecoder(declared, { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (error) {
    throw new VmFolderError('SourceInvalid', `${fileName} is not text in ${declared}, as it says it is.`, {
      cause: error,
    });
  }
}
