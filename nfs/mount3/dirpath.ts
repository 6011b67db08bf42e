// dirpath of MOUNT: RFC 1813, appendix I, section 5.1.4.
import { type XdrReader } from '../xdr/reader.ts';

/** MNTPATHLEN. */
const MAX_PATH_BYTES = 1024;

/** Reads a path as the file system expects it: one slash between names, none at the end. */
export function readDirpath(args: XdrReader): string {
  const names = args
    .opaque(MAX_PATH_BYTES)
    .toString('utf8')
    .split('/')
    .filter((name) => name !== '');
  return `/${names.join('/')}`;
}
