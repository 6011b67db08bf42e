// How a secret gets from a person to a site, and how a site keeps what must survive a restart.
export { type CredentialStore, openCredentialStore } from './credential-store.ts';
export { SecretsError, type SecretsErrorCode } from './errors.ts';
export { fingerprintOf, type SealedSecret, seal } from './sealed-box.ts';
export { loadSiteKey, type SiteKey } from './site-key.ts';
