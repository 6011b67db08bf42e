// The second part of set-up, under Node 24: everything that npm does not bring. Started by bootstrap.mjs.
import { labGuestStep, labProgramStep } from './lab.ts';
import { fuseStep, goStep, packagesStep } from './machine.ts';
import { runSteps, SetupError } from './step.ts';
import { temporalStep } from './temporal.ts';

try {
  await runSteps([packagesStep, fuseStep, goStep, temporalStep, labProgramStep, labGuestStep]);
} catch (error) {
  console.error(error instanceof SetupError ? `  ✗ ${error.message}` : error);
  process.exitCode = 1;
}
