// The vault's door: the repository of backups that lives in one destination. The format is documented byte by
// byte in docs/vault-format.md.
export * from './ports.ts';
export { VaultError, type VaultErrorCode } from './vault-error.ts';
