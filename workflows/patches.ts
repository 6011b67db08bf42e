// Changes of behaviour that a session of an earlier release does not know when its history is replayed
// (Temporal's `patched`). An id is never used for anything else, and stays for as long as such a session may run.

/** 0.1.0 waited for a stop before it cleaned up after a VM that was moved by hand, and left its marks on it. */
export const HAND_OVER_MOVED_VM = 'hand-over-moved-vm';

/** 0.2.0 migrated at once, however many others did; a batch saw to its own alone. */
export const TAKE_TURNS = 'take-turns';

/** 0.2.0 waited for a guest's first heartbeat alone, and took it for there when the VM had been off since. */
export const AWAIT_GUEST_AGAIN = 'await-guest-again';
