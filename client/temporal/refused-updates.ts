// Hears the refusal of an Update whose end nobody waits for. A Workflow that refuses an Update answers at once, with
// the reason; Temporal's client gives that to whoever asks for the Update's result, and passes `startUpdate` off as
// done. So `--detach` would say "begun" of what was refused.
import { type WorkflowClientInterceptor, WorkflowUpdateFailedError } from '@temporalio/client';
import { DefaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';

const failures = new DefaultFailureConverter();

/** `startUpdate` and `executeUpdate` throw WorkflowUpdateFailedError, with the refusal as its cause. */
export const refusedUpdates: WorkflowClientInterceptor = {
  async startUpdate(input, next) {
    const output = await next(input);
    const failure = output.outcome?.failure;
    if (failure !== undefined && failure !== null) {
      const cause = failures.failureToError(failure, defaultPayloadConverter);
      throw new WorkflowUpdateFailedError('Workflow Update failed', cause);
    }
    return output;
  },
};
