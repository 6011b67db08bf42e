// Room for a session's changes, raised while it runs: a guest that has used up what was reserved at the start stands
// still, with every write that was acknowledged, until there is more. JSON-safe throughout.
import { z } from 'zod';

/** Far beyond what a session may change; a guard against slips of the finger. */
const MAX_ROOM_BYTES = 1024 ** 5;

/** Argument of the Update `makeRoom`. */
export const makeRoomRequestSchema = z.object({
  /** What can be written from now on, at the least. */
  bytes: z
    .number()
    .int()
    .positive('room is more than nothing')
    .max(MAX_ROOM_BYTES, 'room is 1024TiB at the most'),
});
export type MakeRoomRequest = z.infer<typeof makeRoomRequestSchema>;

/** Answer of the Update `makeRoom`, in bytes. */
export interface MakeRoomResult {
  readonly sessionId: string;
  /** Kept for the session's changes at the gateway, in all. */
  readonly reservedBytes: number;
  /** What they take now. */
  readonly usedBytes: number;
}

export interface MakeRoomInput extends MakeRoomRequest {
  readonly sessionId: string;
}

export interface RoomActivities {
  /** Never less than there was. Fails with StorageFull, and nothing changed. */
  makeRoom(input: MakeRoomInput): Promise<MakeRoomResult>;
}
