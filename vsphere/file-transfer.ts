// Small files to and from a datastore over HTTPS (`/folder`): .vmx, descriptors, logs. A file is held in memory
// whole, so there is a limit; disks go another way. A session that ended answers 401 here, and is renewed.
import { VsphereError, type VsphereErrorCode } from './errors.ts';
import { datacenterAbove, folderUrl, locate } from './place.ts';
import type { Session } from './session.ts';
import { errorOfFault, NOT_AUTHENTICATED } from './soap/fault.ts';
import type { HttpResponse } from './transport.ts';
import type { FileOptions } from './types.ts';

/** What is uploaded; a download is limited as every answer is. */
export const MAX_UPLOAD_BYTES = 16 * 1024 * 1024;
const TRANSFER_TIMEOUT_MS = 120_000;

export async function uploadFile(
  session: Session,
  path: string,
  content: Uint8Array,
  options: FileOptions = {},
): Promise<void> {
  if (content.byteLength > MAX_UPLOAD_BYTES) {
    throw new VsphereError(
      'InvalidInput',
      `${path} is ${content.byteLength} bytes long; files of up to ${MAX_UPLOAD_BYTES} are uploaded so.`,
    );
  }
  await transfer(session, path, `Writing ${path} at ${session.address}`, options, (url, fetchOptions) =>
    session.put(url, content, fetchOptions),
  );
}

export async function downloadFile(
  session: Session,
  path: string,
  options: FileOptions = {},
): Promise<Uint8Array> {
  const what = `Reading ${path} at ${session.address}`;
  return transfer(session, path, what, options, (url, fetchOptions) => session.get(url, fetchOptions));
}

type Fetch = (url: string, options: Parameters<Session['get']>[1]) => Promise<HttpResponse>;

/** Both ways can be repeated: a file is read, or written, as a whole. */
async function transfer(
  session: Session,
  path: string,
  what: string,
  options: FileOptions,
  fetch: Fetch,
): Promise<Uint8Array> {
  const place = await locate(session, path, options);
  const above = await datacenterAbove(session, place.datacenter, options);
  const url = folderUrl(place, above?.path ?? '');
  return session.repeatable(async () => {
    const answer = await fetch(url, { signal: options.signal, answerWithinMs: TRANSFER_TIMEOUT_MS, what });
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    if (answer.status === 401) throw errorOfFault(NOT_AUTHENTICATED, 'the session has ended', what);
    const code = codes[answer.status] ?? (answer.status >= 500 ? 'TargetUnavailable' : 'Unexpected');
    throw new VsphereError(code, `${what} failed: HTTP status ${answer.status}.`);
  });
}

const codes: Readonly<Record<number, VsphereErrorCode>> = {
  403: 'NoPermission',
  404: 'NotFound',
  405: 'NotSupported',
  409: 'ResourceInUse',
  507: 'StorageFull',
};
