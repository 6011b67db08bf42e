// A job's disks, published read-only until somebody closes it, durably and for as long as it takes. Nothing can be
// changed in it, so a cancel of the Workflow closes it, too.
import { defineSearchAttributeKey } from '@temporalio/common';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import {
  type BrowseInput,
  BrowseMessage,
  type BrowseStatus,
  browseInputSchema,
  type CloseBrowseResult,
  DEFAULT_STEP_TIMEOUT_MS,
  SearchAttribute,
} from '../contract/index.ts';
import { startSteps, undoSteps } from './activities-of.ts';
import { insist } from './compensation.ts';
import { rejection } from './desk.ts';
import { cancelled, failureFrom, type Reason, reasonOf } from './failure.ts';
import { parseInput } from './parse-input.ts';

const statusQuery = defineQuery<BrowseStatus>(BrowseMessage.status);
const openedUpdate = defineUpdate<BrowseStatus>(BrowseMessage.opened);
const closeUpdate = defineUpdate<CloseBrowseResult>(BrowseMessage.close);
const stateKey = defineSearchAttributeKey(SearchAttribute.state, 'KEYWORD');

/** Query `status`, Updates `opened` and `close`; see contract/browse.ts. */
export async function browse(argument: BrowseInput): Promise<CloseBrowseResult> {
  const input = parseInput(browseInputSchema, argument);
  const result: CloseBrowseResult = { browseId: input.browseId, state: 'closed' };
  let status = opening(input);
  let ended: Reason | undefined;
  const asked = { close: false };
  const begun = new CancellationScope({ cancellable: true });
  const update = (changes: Partial<BrowseStatus>): void => {
    status = { ...status, ...changes };
    upsertSearchAttributes([{ key: stateKey, value: status.state }]);
    setCurrentDetails(`**${status.state}**\n`);
  };
  const reached = async (state: 'open' | 'closed'): Promise<void> => {
    const isMissed = () => state === 'open' && ['closing', 'closed'].includes(status.state);
    await CancellationScope.nonCancellable(() =>
      condition(() => status.state === state || ended !== undefined || isMissed()),
    );
    if (ended !== undefined) throw failureFrom(ended);
    if (isMissed())
      throw rejection('NotRunning', `${input.browseId} was closed: nothing of it is open any more`);
  };
  setHandler(statusQuery, () => status);
  setHandler(openedUpdate, () => reached('open').then(() => status));
  setHandler(closeUpdate, () => {
    asked.close = true;
    begun.cancel();
    return reached('closed').then(() => result);
  });
  try {
    const why = await begun.run(() => openUntilCancelled(input, update)).catch((error: unknown) => error);
    if (!cancelled(why)) ended = reasonOf(why, 'opening the export');
    update({ state: 'closing' });
    const stuck = await CancellationScope.nonCancellable(() => drop(input));
    if (stuck !== undefined) ended = stuck;
    update({ state: 'closed' });
    if (ended !== undefined) throw failureFrom(ended);
    if (!asked.close) throw why;
    return result;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}

/** Ends by a failure, or by cancellation. */
async function openUntilCancelled(
  input: BrowseInput,
  update: (changes: Partial<BrowseStatus>) => void,
): Promise<never> {
  const exported = await startSteps(input.site, DEFAULT_STEP_TIMEOUT_MS).openBrowse(input);
  update({ state: 'open', exported });
  await CancellationScope.current().cancelRequested;
  throw new Error('it was closed without a cancellation');
}

/** Answers why it was given up, if it was. */
function drop({ site, browseId }: BrowseInput): Promise<Reason | undefined> {
  const run = () => undoSteps(site).dropExport({ sessionId: browseId });
  return insist({ name: 'drop the export', run }, { onWaiting: () => undefined });
}

function opening({ browseId, site, source, allow }: BrowseInput): BrowseStatus {
  const { vmName, backupSet } = source;
  return { browseId, site, vmName, backupSet, state: 'opening', allow, exported: undefined };
}
