// How a vCenter or a standalone ESXi host is named and reached.
import { z } from 'zod';
import { siteNameSchema } from './names.ts';
import { sealedSecretSchema } from './secret.ts';

export const fingerprintSchema = z
  .string()
  .transform((text) =>
    text
      .toUpperCase()
      .replace(/^SHA-?256[:=]/, '')
      .replaceAll(':', ''),
  )
  .pipe(z.string().regex(/^[0-9A-F]{64}$/, 'a certificate fingerprint is 64 hexadecimal digits (SHA-256)'));

export const targetSchema = z.object({
  host: z.string().min(1),
  port: z.number().int().min(1).max(65535),
  user: z.string().min(1),
  /** SHA-256 of the server's certificate (DER), 64 upper-case hexadecimal digits; checked before a byte is sent. */
  fingerprint: fingerprintSchema,
  password: sealedSecretSchema,
});
export type Target = z.infer<typeof targetSchema>;

export interface TargetAddress {
  readonly host: string;
  readonly port: number;
}
/** `HOST:PORT`; an IPv6 address stands in brackets. */
export const addressText = ({ host, port }: TargetAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** What a secret for a target is bound to, and how a target is shown to people. */
export const targetSubject = (target: TargetAddress & { readonly user: string }): string =>
  `${addressText(target)}/${target.user}`;

export const siteInfoInputSchema = z.object({ site: siteNameSchema });
export type SiteInfoInput = z.infer<typeof siteInfoInputSchema>;
export interface SiteInfo {
  readonly site: string;
  /** X25519 public key, base64 of its 32 bytes. */
  readonly publicKey: string;
  /** `SHA256:` and the base64 of the key's digest. */
  readonly fingerprint: string;
}

export const targetInfoInputSchema = z.object({
  site: siteNameSchema,
  host: z.string().min(1),
  port: z.number().int().min(1).max(65535),
});
export type TargetInfoInput = z.infer<typeof targetInfoInputSchema>;
/** What a target shows before anybody logs in. */
export interface TargetInfo {
  readonly host: string;
  readonly port: number;
  readonly fingerprint: string;
}
