// A stop that nobody waits for: the drill that a session belongs to has ended, or was cancelled. It stands until
// the session is gone, whatever is in its way, beside the stops that people ask for.
import type { StopRequest } from '../contract/index.ts';
import type { StopDesk } from './stop-desk.ts';

export interface OrderableStopDesk extends StopDesk {
  order(request: StopRequest): void;
  isOrdered(): boolean;
}

export function withOrders(desk: StopDesk): OrderableStopDesk {
  let ordered: StopRequest | undefined;
  return {
    ...desk,
    pending: () => desk.pending() ?? ordered,
    order: (request) => {
      ordered = request;
    },
    isOrdered: () => ordered !== undefined,
  };
}
