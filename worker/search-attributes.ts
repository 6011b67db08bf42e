// Makes sure that Temporal knows our search attributes: a Workflow that sets one which is not registered can't
// go on. A worker that may not register them says which command does.
import type { Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { SearchAttribute } from '../contract/index.ts';
import { ConfigError } from './config.ts';

const { INDEXED_VALUE_TYPE_KEYWORD } = proto.temporal.api.enums.v1.IndexedValueType;

export type SearchAttributesOutcome =
  | { readonly kind: 'present' | 'registered' }
  /** They could be neither read nor written; they may be there. */
  | { readonly kind: 'unknown'; readonly why: string; readonly command: string };

/** Throws ConfigError when some are missing for sure and this worker may not register them. */
export async function ensureSearchAttributes(
  { operatorService }: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<SearchAttributesOutcome> {
  const wanted = Object.values(SearchAttribute);
  let missing: readonly string[] = wanted;
  let known = false;
  try {
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
    missing = wanted.filter((name) => !Object.hasOwn(customAttributes, name));
    known = true;
    if (missing.length === 0) return { kind: 'present' };
    const searchAttributes = Object.fromEntries(missing.map((name) => [name, INDEXED_VALUE_TYPE_KEYWORD]));
    await operatorService.addSearchAttributes({ namespace, searchAttributes });
    return { kind: 'registered' };
  } catch (cause) {
    const command = commandFor(missing, namespace);
    const why = cause instanceof Error ? cause.message : String(cause);
    if (!known) return { kind: 'unknown', why, command };
    throw new ConfigError(
      `Temporal's namespace ${namespace} lacks the search attributes ${missing.join(', ')}, and this worker may not ` +
        `register them (${why}). Have its operator run: ${command}`,
      { cause },
    );
  }
}

function commandFor(names: readonly string[], namespace: string): string {
  const flags = names.map((name) => `--name ${name} --type Keyword`).join(' ');
  return `temporal operator search-attribute create --namespace ${namespace} ${flags}`;
}
