// The character sets that .vmx files and descriptors declare about themselves. They are read in theirs and
// written in UTF-8, which every host since ESX 4 reads.
import { VmFolderError } from './vm-folder-error.ts';

const WAY_OUT = 'Save it in UTF-8, and have it say so.';

/** `declaration` finds the encoding's name in the file's text; without one it is UTF-8. Throws SourceInvalid. */
export function decodeText(bytes: Uint8Array, declaration: RegExp, fileName: string): string {
  const declared = declaration.exec(Buffer.from(bytes).toString('latin1'))?.[1];
  const decoder = decoderOf(declared ?? 'UTF-8', fileName);
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    const claim = declared === undefined ? 'and names no other encoding' : 'as it says it is';
    const message = `${fileName} is not text in ${declared ?? 'UTF-8'}, ${claim}. ${WAY_OUT}`;
    throw new VmFolderError('SourceInvalid', message, { cause });
  }
}

function decoderOf(encoding: string, fileName: string): InstanceType<typeof TextDecoder> {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: false });
  } catch (cause) {
    const message = `${fileName} says that it is text in ${encoding}, an encoding that is not known here. ${WAY_OUT}`;
    throw new VmFolderError('SourceInvalid', message, { cause });
  }
}
