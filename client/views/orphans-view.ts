// What Workflows have left that ended without an end of their own, as people read it.
import { type Orphan, WorkflowType } from '../../contract/index.ts';
import { formatBytes, formatTime } from '../quantity.ts';
import { type Column, table } from './table.ts';

const endWords = {
  terminated: 'terminated',
  timedOut: 'timed out',
  failed: 'failed',
  cancelled: 'cancelled',
  completed: 'completed',
  unknown: 'not known to Temporal',
} as const satisfies Record<Orphan['ended'], string>;

/** States that say no more than how it ended. */
const PLAIN = new Set(['running', 'failed', 'cancelled', '']);

/** `terminated`, `terminated while finalizing`, `clean-up failed`. */
export function endText({ ended, workflowType, state = '' }: Orphan): string {
  const words = endWords[ended];
  if (workflowType === WorkflowType.cleanUp) return `clean-up ${words}`;
  return PLAIN.has(state) ? words : `${words} while ${state}`;
}

const columns: readonly Column<Orphan>[] = [
  { title: 'SESSION', value: ({ sessionId }) => sessionId },
  { title: 'VM', value: ({ vm }) => vm },
  { title: 'TARGET', value: ({ target, readOnly }) => (readOnly ? '– (a browse)' : target) },
  { title: 'SINCE', value: ({ since }) => formatTime(new Date(since)) },
  { title: 'CHANGES', align: 'right', value: ({ changesBytes }) => formatBytes(changesBytes) },
  { title: 'ENDED', value: endText },
];

export const orphansTable = (orphans: readonly Orphan[]): string => table(columns, orphans);
