// The lab's two parts, its program and its guest's disk: lab/build.ts builds and keeps them, keyed by content.
import { ensureGuestDisk, ensureLabBinary, type Progress } from '../lab/build.ts';
import { LabError } from '../lab/lab.ts';
import { refreshPackageLists } from './machine.ts';
import { SetupError, type Step, type StepOutcome } from './step.ts';

export const labProgramStep: Step = {
  name: "lab's program",
  run: () => outcomeOf(ensureLabBinary),
};

export const labGuestStep: Step = {
  name: "lab's guest",
  run: async (note) => {
    try {
      return await outcomeOf(ensureGuestDisk);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      // Its kernel comes from Debian: the package lists may be missing, or older than the package.
      note('refreshing the package lists and trying again');
      if (!(await refreshPackageLists())) throw error;
      return await outcomeOf(ensureGuestDisk);
    }
  },
};

/** What is built says so; what is there already is silent. */
async function outcomeOf(ensure: (progress: Progress) => Promise<string>): Promise<StepOutcome> {
  let cached = true;
  try {
    const detail = await ensure(() => {
      cached = false;
    });
    return { cached, detail };
  } catch (error) {
    if (error instanceof LabError) throw new SetupError(error.message, { cause: error });
    throw error;
  }
}
