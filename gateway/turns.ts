// Whose turn it is where only so many may work at a time: migrations to one datastore. A queue, first come, first
// served. Durable: a turn is its session's through every restart, until it is given back.
//
// Who comes first at a place is told by the order of the queue alone: a session has its turn when fewer than so many of
// those before it want that place, whether they work or wait. So one that wants several places takes them all at once,
// the first of the queue always has its turn, and nobody is passed for ever.
import { join } from 'node:path';
import { z } from 'zod';
import { type Turn, type TurnAnswer, type TurnRequest, turnSchema } from './control-api.ts';
import { GatewayError } from './gateway-error.ts';
import { StateFile } from './state-file.ts';

/** Of one site, those that work and those that wait. */
const MAX_TURNS = 1024;

const turnsSchema = z.array(turnSchema);

export class Turns {
  readonly #file: StateFile<Turn[]>;

  private constructor(file: StateFile<Turn[]>) {
    this.#file = file;
  }

  static async open(stateDirectory: string): Promise<Turns> {
    return new Turns(await StateFile.open(join(stateDirectory, 'turns.json'), turnsSchema, () => []));
  }

  all(): readonly Turn[] {
    return this.#file.value;
  }

  /** Stands in the queue from then on, where it stood before if it did. Throws Busy when too many do. */
  async take(request: TurnRequest): Promise<TurnAnswer> {
    if (queued(this.all(), request) !== this.all()) {
      await this.#file.update((turns) => {
        if (turns.length < MAX_TURNS) return [...queued(turns, request)];
        throw new GatewayError(
          'Busy',
          `${turns.length} sessions wait for their turn at this gateway already.`,
        );
      });
    }
    return { waitsFor: waitsFor(this.all(), request) };
  }

  /** Gives it back, or stops waiting. None is done. */
  async release(sessionId: string): Promise<void> {
    if (!this.all().some((turn) => turn.sessionId === sessionId)) return;
    await this.#file.update((turns) => turns.filter((turn) => turn.sessionId !== sessionId));
  }
}

/** The queue with that session in it: the same queue where it stands there already. Other places are another turn. */
export function queued(turns: readonly Turn[], { sessionId, places }: Turn): readonly Turn[] {
  const standing = turns.find((turn) => turn.sessionId === sessionId);
  if (standing !== undefined && standing.places.join('\n') === places.join('\n')) return turns;
  return [...turns.filter((turn) => turn !== standing), { sessionId, places }];
}

/** Sessions before it at places that are full, in the order of the queue; none when it has its turn. */
export function waitsFor(turns: readonly Turn[], { sessionId, places, atATime }: TurnRequest): string[] {
  const before = turns.slice(
    0,
    turns.findIndex((turn) => turn.sessionId === sessionId),
  );
  const isFull = (place: string): boolean =>
    before.filter((turn) => turn.places.includes(place)).length >= atATime;
  const full = places.filter(isFull);
  return before
    .filter((turn) => turn.places.some((place) => full.includes(place)))
    .map((turn) => turn.sessionId);
}
