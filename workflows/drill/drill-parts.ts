// What the parts of a drill's Workflow share.
import type { DrillInput, SessionNews } from '../../contract/index.ts';
import type { DrillRecord } from './drill-record.ts';

export interface Drill {
  readonly input: DrillInput;
  readonly drillId: string;
  readonly record: DrillRecord;
  readonly news: NewsDesk;
  /** What could not be removed, in words; filled as it is found. */
  readonly leftBehind: string[];
}

/** The last that each session of the drill has told. */
export interface NewsDesk {
  take(news: SessionNews): void;
  of(sessionId: string): SessionNews | undefined;
}

export function openNewsDesk(): NewsDesk {
  const bySession = new Map<string, SessionNews>();
  return {
    take: (news) => {
      bySession.set(news.sessionId, news);
    },
    of: (sessionId) => bySession.get(sessionId),
  };
}
