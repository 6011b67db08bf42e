// `rundirect answer`: shows what the host asks about a session's VM, which waits for it, and answers it. Without a
// choice nothing is answered.
import type { Command } from 'commander';
import {
  type AnswerRequest,
  type AnswerResult,
  type HostQuestion,
  SessionMessage,
  type SessionStatus,
} from '../../contract/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { sessionId as sessionIdArgument } from '../options/arguments.ts';
import { askSession } from '../session/ask-session.ts';
import { findOne } from '../session/session-lookup.ts';
import { facts, printable } from '../views/table.ts';

async function answer(context: Context, sessionId: string, choice: string | undefined): Promise<undefined> {
  const { terminal } = context;
  await findOne(await context.temporal(), sessionId, 'answered for');
  const question = await openQuestion(context, sessionId);
  if (choice === undefined) {
    terminal.document({ sessionId, question: question ?? null });
    terminal.print(question === undefined ? `The host asks nothing about ${sessionId}.` : wordsOf(question));
    return undefined;
  }
  // Where there is none, the session says so.
  const request: AnswerRequest = { choice, questionId: question?.id ?? 'none' };
  const result = await askSession<AnswerResult>(context, sessionId, {
    what: 'answer',
    ask: (handle) =>
      handle.executeUpdate<AnswerResult, [AnswerRequest]>(SessionMessage.answer, { args: [request] }),
  });
  terminal.document(result);
  terminal.print(`Answered: ${printable(result.answer)}.`);
  return undefined;
}

async function openQuestion(context: Context, sessionId: string): Promise<HostQuestion | undefined> {
  const status = await askSession<SessionStatus>(context, sessionId, {
    what: 'question',
    ask: (handle) => handle.query<SessionStatus>(SessionMessage.status),
  });
  return status.question;
}

function wordsOf({ text, choices }: HostQuestion): string {
  return facts([
    ['the host asks', text],
    ...choices.map(({ key, label }): [string, string] => ['choice', `${label} (${key})`]),
  ]);
}

const examples = `
The VM stands still meanwhile. A question about space is answered with Retry once there is room (see: rundirect make-room);
Cancel powers the VM off, and keeps what it has written.

Examples:
  $ rundirect answer web01-k3v9q2m4xa
  $ rundirect make-room web01-k3v9q2m4xa 20GiB
  $ rundirect answer web01-k3v9q2m4xa Retry`;

export function addAnswer(program: Command, act: Act): void {
  program
    .command('answer')
    .summary("answer what the host asks about a session's VM")
    .description("Shows what the host asks about a session's VM, or answers it with one of the choices.")
    .argument('<session>', "the session's id", sessionIdArgument)
    .argument('[choice]', 'its words or its key; without it the question is shown')
    .addHelpText('after', examples)
    .action(act(answer));
}
