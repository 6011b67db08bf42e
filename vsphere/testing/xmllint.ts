// For tests: xmllint (libxml2) as the strict server that no simulator is.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SCHEMA = join(import.meta.dirname, '..', 'schema', 'vim25.xsd');

/** Of each document, whether it is valid by the schema; in one run of xmllint. */
export function validate(documents: readonly string[]): readonly boolean[] {
  const folder = mkdtempSync(join(tmpdir(), 'vsphere-xsd-'));
  try {
    const files = documents.map((document, index) => {
      const file = join(folder, `${index}.xml`);
      writeFileSync(file, document);
      return file;
    });
    const run = spawnSync('xmllint', ['--noout', '--schema', SCHEMA, ...files], { encoding: 'utf8' });
    if (run.error !== undefined)
      throw new Error('xmllint is needed (Debian: libxml2-utils)', { cause: run.error });
    // Status 3 and 4 are documents that are not valid; others are a schema that is not one.
    if (![0, 3, 4].includes(run.status ?? -1)) throw new Error(run.stderr);
    return files.map((file) => run.stderr.includes(`${file} validates`));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The request inside an envelope as a document of its own. */
export function bodyOf(envelope: string): string {
  const body = /<soapenv:Body>(.*)<\/soapenv:Body>/s.exec(envelope)?.[1] ?? '';
  return body.replace(
    ' xmlns="urn:vim25"',
    ' xmlns="urn:vim25" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
  );
}
