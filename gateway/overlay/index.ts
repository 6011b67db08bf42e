// The overlay's door, for the rest of the gateway.
export { type FrozenFile, type FrozenView } from './frozen-view.ts';
export { PAGE_BYTES } from './limits.ts';
export { Overlay } from './overlay.ts';
export { isDiskFull, OverlayError, type OverlayErrorCode } from './overlay-error.ts';
export { type BaseReader } from './read-content.ts';
export { openFolderStorage } from './storage.ts';
export { type Inode, ROOT_ID } from './tree.ts';
