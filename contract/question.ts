// A question that a host asks about a VM, which stands still until somebody answers: no space for a write, for one.
// It is shown in the session, and answered through it. JSON-safe throughout.
import { z } from 'zod';

export interface HostQuestion {
  /** The host's own; another question has another one. */
  readonly id: string;
  /** In the host's words. */
  readonly text: string;
  readonly choices: readonly { readonly key: string; readonly label: string }[];
}

/** Argument of the Update `answer`. */
export const answerRequestSchema = z.object({
  /** A choice's key or label, in any case. */
  choice: z.string().min(1).max(200),
  /** The question that is meant: an answer never goes to another one. */
  questionId: z.string().min(1).max(200),
});
export type AnswerRequest = z.infer<typeof answerRequestSchema>;

export interface AnswerResult {
  readonly sessionId: string;
  readonly question: string;
  /** Label of the choice. */
  readonly answer: string;
}
