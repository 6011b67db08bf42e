// A drill's names: what belongs to which drill is read from ids that anybody may choose, so nothing but the right
// form may pass for one.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  drillNameSchema,
  drillOfSession,
  drillOfWorkflow,
  drillSessionId,
  drillWorkflowId,
  MAX_DRILL_VMS,
  sessionIdFor,
  sessionIdSchema,
} from './index.ts';

const names = fc
  .stringMatching(/^[a-z0-9][a-z0-9-]{0,19}$/)
  .filter((name) => drillNameSchema.safeParse(name).success);
const times = fc
  .date({ min: new Date('2026-01-01'), max: new Date('2199-01-01'), noInvalidDate: true })
  .map((time) => time.toISOString().replace(/\.\d+/, ''));
const places = fc.integer({ min: 1, max: MAX_DRILL_VMS });

it('reads the drill from the ids of its Workflows and sessions, whatever it is called', () => {
  fc.assert(
    fc.property(names, fc.option(times, { nil: undefined }), places, (name, time, place) => {
      const workflowId = `${drillWorkflowId(name)}${time === undefined ? '' : `-${time}`}`;
      const drill = drillOfWorkflow(workflowId);
      expect(drill?.name).toBe(name);
      const sessionId = drillSessionId(drill?.drillId ?? '', place);
      expect(sessionIdSchema.safeParse(sessionId).success).toBe(true);
      expect(drillOfSession(sessionId)).toEqual(drill);
    }),
  );
});

it('gives each run of a schedule an id of its own', () => {
  expect(drillOfWorkflow('drill:nightly-2026-11-23T03:00:00Z')).toEqual({
    name: 'nightly',
    drillId: 'nightly-20261123t030000z',
  });
});

it('takes no session for a drill whose id was made from a name', () => {
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[a-z0-9]{10}$/), (vmName, random) => {
      expect(drillOfSession(sessionIdFor(vmName, random))).toBeUndefined();
    }),
  );
  expect(drillOfSession(sessionIdFor('drill-web01', 'vm1aaaaaaa'))).toBeUndefined();
});

it.each([
  'drill:',
  'drill:Nightly',
  'drill:nightly-20261123t030000z',
  'drill:nightly-2026-11-23T03:00:00Z-2026-11-24T03:00:00Z',
  'drill:a b',
  'nightly',
])('takes no Workflow %s for a drill', (id) => expect(drillOfWorkflow(id)).toBeUndefined());

it.each(['drill-nightly', 'drill--vm1', 'drill-nightly-vm0', 'drill-nightly-vm100', 'x-drill-nightly-vm1'])(
  "takes no session %s for a drill's",
  (id) => expect(drillOfSession(id)).toBeUndefined(),
);

it("refuses names that would read like a run's", () => {
  expect(drillNameSchema.safeParse('a-20261123t030000z').success).toBe(false);
});
