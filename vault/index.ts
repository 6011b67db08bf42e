// The vault's door: the repository of backups that lives in one destination. The format is documented byte by
// byte in docs/vault-format.md.

export { ImageCache } from './loading-cache.ts';
export * from './ports.ts';
export { initVault, openVault } from './vault.ts';
export { VaultError, type VaultErrorCode } from './vault-error.ts';
