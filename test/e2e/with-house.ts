// One house per test file: starting it costs seconds, so the tests of a file share it and each leaves it as it
// found it. When a test failed, the run's folder stays, and the path of its logs is printed.
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type House, openHouse } from '../../demo/house.ts';
import { createStack, type StackOptions } from '../../demo/stack.ts';

/** Registers the hooks; the house is there from the first test on. */
export function withHouse(options: StackOptions): { readonly house: House } {
  let house: House | undefined;
  let failed = false;
  beforeAll(async () => {
    const stack = await createStack(options);
    await stack.start();
    house = await openHouse(stack);
  });
  afterEach(({ task }) => {
    failed ||= task.result?.state === 'fail';
  });
  afterAll(async () => {
    if (failed && house !== undefined) console.log(`The logs are in ${house.stack.logFolder}`);
    await house?.stack.close({ keepFolder: failed });
  });
  return {
    get house() {
      if (house === undefined) throw new Error('the house is not there before the first test');
      return house;
    },
  };
}
