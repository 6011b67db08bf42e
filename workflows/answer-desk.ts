// Where a question that the host asks about the session's VM is told, and answered. The watch over the VM sees it come
// and go; an answer is one Activity beside whatever else the session does, a finalize among it.
import { type ApplicationFailure, CancellationScope, defineUpdate, setHandler } from '@temporalio/workflow';
import {
  type AnswerRequest,
  type AnswerResult,
  answerRequestSchema,
  type HostQuestion,
  SessionMessage,
  type SessionState,
  type SessionStatus,
} from '../contract/index.ts';
import { shortSteps } from './activities-of.ts';
import { rejection } from './desk.ts';
import { failureFrom, reasonOf } from './failure.ts';
import { type RunningSession, runningVmStep, type Session } from './session.ts';

const answerUpdate = defineUpdate<AnswerResult, [AnswerRequest]>(SessionMessage.answer);

/** States in which the VM runs, and somebody looks at it. */
const WATCHED: ReadonlySet<SessionState> = new Set(['running', 'finalizing']);

export interface AnswerDesk {
  /** From here on there is a VM to be asked about; called again when it is registered anew. */
  open(running: RunningSession): void;
}

/** @param resumed is what an earlier run of the Workflow left to be asked about. */
export function openAnswerDesk(session: Session, resumed: RunningSession | undefined): AnswerDesk {
  let running = resumed;
  setHandler(
    answerUpdate,
    (request: AnswerRequest) =>
      CancellationScope.nonCancellable(async () => {
        const chosen = choose(session, request);
        if (chosen instanceof Error) throw chosen;
        if (running === undefined) throw noQuestion(session);
        return give(session, running, chosen);
      }),
    {
      description: 'Answer what the host asks about the VM',
      validator: (request: AnswerRequest) => {
        const chosen = choose(session, request);
        if (chosen instanceof Error) throw chosen;
      },
    },
  );
  return {
    open: (from) => {
      running = from;
    },
  };
}

interface Chosen {
  readonly question: HostQuestion;
  readonly choice: HostQuestion['choices'][number];
}

/** The choice that is meant, or why it can't be made. */
function choose(session: Session, request: AnswerRequest): Chosen | ApplicationFailure {
  const parsed = answerRequestSchema.safeParse(request);
  if (!parsed.success) return rejection('InvalidInput', 'an answer is a choice of one question, by its id');
  const { question, state } = session.record.status();
  if (question === undefined || !WATCHED.has(state)) return noQuestion(session);
  const { sessionId } = session.input;
  const { questionId } = parsed.data;
  if (question.id !== questionId) {
    return rejection(
      'NoQuestion',
      `that question about ${sessionId} is answered; the host asks another one now`,
    );
  }
  const wanted = parsed.data.choice.toLowerCase();
  const choice = question.choices.find(({ key, label }) => [key, label.toLowerCase()].includes(wanted));
  if (choice !== undefined) return { question, choice };
  const labels = question.choices.map(({ label }) => label).join(', ');
  return rejection('InvalidInput', `"${parsed.data.choice}" is none of the choices: ${labels}`);
}

function noQuestion({ input }: Session): ApplicationFailure {
  return rejection('NoQuestion', `the host asks nothing about the VM of ${input.sessionId}`);
}

async function give(session: Session, running: RunningSession, chosen: Chosen): Promise<AnswerResult> {
  const { input, record } = session;
  const { question, choice } = chosen;
  const step = { ...runningVmStep(session, running), questionId: question.id, choiceKey: choice.key };
  try {
    await shortSteps(input.site).answerQuestion(step);
  } catch (error) {
    throw failureFrom(reasonOf(error, 'answering the host'));
  }
  record.say(`The host's question about ${running.vm.name} is answered: ${choice.label}`);
  return { sessionId: input.sessionId, question: question.text, answer: choice.label };
}

/** What a session is warned of beside a question; that it is answered settles none of it. */
const hasOtherConcern = ({ guest, verify, finalize }: SessionStatus): boolean =>
  guest === 'silent' || verify.state === 'failed' || finalize?.outcome === 'failed';

/** Shows a question that is new, and takes one away that is not open any more. */
export function tellQuestion(
  { input, record }: Session,
  { vm }: RunningSession,
  question: HostQuestion | undefined,
): void {
  const now = record.status();
  const { status } = now;
  if (question?.id === now.question?.id) return;
  if (question === undefined) {
    record.update({ question, ...(status === 'Warning' && !hasOtherConcern(now) ? { status: 'OK' } : {}) });
    record.say(`The host waits for no answer about ${vm.name} any more`);
    return;
  }
  record.update({ question, ...(status === 'OK' ? { status: 'Warning' } : {}) });
  const choices = question.choices.map(({ label }) => label).join(' / ');
  record.say(
    `The host asks about ${vm.name}: ${question.text} (${choices}) Answer with: rundirect answer ${input.sessionId}`,
    'warning',
  );
}
