// What the host asks about a session's VM: shown as long as it is open, answered through the session, and nothing
// else is.
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AnswerRequest, type AnswerResult, SessionMessage } from '../contract/index.ts';
import { FakeWorld } from '../test/fake-world.ts';
import { openSessionHarness, type SessionHarness, startInput } from '../test/session-harness.ts';
import { eventually } from '../test/temporal.ts';

let harness: SessionHarness;

beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

const question = {
  id: 'q-1',
  text: 'There is no more space.',
  choices: [
    { key: '0', label: 'Retry' },
    { key: '1', label: 'Cancel' },
  ],
};

it('shows a question, refuses what does not answer it, and gives the answer to the host', async () => {
  const world = new FakeWorld();
  await harness.withSession(startInput({}), world, async (session) => {
    await session.untilState('running');
    const { moref = '' } = (await session.status()).vm ?? {};
    const answer = (request: AnswerRequest): Promise<AnswerResult> =>
      session.handle.executeUpdate<AnswerResult, [AnswerRequest]>(SessionMessage.answer, { args: [request] });
    const refused = async (request: AnswerRequest): Promise<unknown> => {
      const error: unknown = await answer(request).catch((thrown: unknown) => thrown);
      return error instanceof WorkflowUpdateFailedError ? error.cause : error;
    };
    expect(await refused({ choice: 'retry', questionId: 'q-1' })).toMatchObject({ type: 'NoQuestion' });

    world.change(moref, { question });
    const asked = await eventually('the question', async () => {
      const status = await session.status();
      return status.question === undefined ? undefined : status;
    });
    expect(asked).toMatchObject({ state: 'running', status: 'Warning', question });
    expect(asked.log.at(-1)?.message).toContain('rundirect answer');
    expect(await refused({ choice: 'retry', questionId: 'q-0' })).toMatchObject({ type: 'NoQuestion' });
    expect(await refused({ choice: 'maybe', questionId: 'q-1' })).toMatchObject({
      type: 'InvalidInput',
      message: expect.stringContaining('Retry, Cancel') as string,
    });
    expect(world.answers).toEqual([]);

    expect(await answer({ choice: 'retry', questionId: 'q-1' })).toMatchObject({ answer: 'Retry' });
    expect(world.answers).toEqual(['q-1: 0']);
    const after = await eventually('the question to be gone', async () => {
      const status = await session.status();
      return status.question === undefined ? status : undefined;
    });
    expect(after).toMatchObject({ state: 'running', status: 'OK' });
    await session.stop();
  });
});

it('leaves the warning of a guest that is silent, when the question is gone', async () => {
  const world = new FakeWorld();
  world.guestComes = false;
  await harness.withSession(startInput({ guestTimeoutMs: 1_000 }), world, async (session) => {
    const silent = async () => {
      const status = await session.status();
      return status.state === 'running' && status.guest === 'silent' ? status : undefined;
    };
    const { vm } = await eventually('the guest given up', silent);
    world.change(vm?.moref ?? '', { question });
    await eventually('the question', async () => (await session.status()).question);
    world.change(vm?.moref ?? '', { question: undefined });
    const after = await eventually('the question to be gone', async () => {
      const status = await session.status();
      return status.question === undefined ? status : undefined;
    });
    expect(after.status).toBe('Warning');
    await session.stop();
  });
});

it('gives an answer to the VM as it is registered after a finalize that went back', async () => {
  const world = new FakeWorld();
  world.isHostAlone = true;
  world.faults.set('joinInProduction', 'before');
  await harness.withSession(startInput({}), world, async (session) => {
    await session.untilState('running');
    const before = (await session.status()).vm;
    await expect(session.finalize()).rejects.toBeInstanceOf(WorkflowUpdateFailedError);
    const { moref = '' } = (await session.status()).vm ?? {};
    expect(moref).not.toBe(before?.moref);

    world.change(moref, { question });
    await eventually('the question', async () => (await session.status()).question);
    const request: AnswerRequest = { choice: 'retry', questionId: 'q-1' };
    await session.handle.executeUpdate<AnswerResult, [AnswerRequest]>(SessionMessage.answer, {
      args: [request],
    });
    expect(world.vms.get(moref)?.question).toBeUndefined();
    await session.stop();
  });
});
