// A secret on its way from a client to a site: Temporal carries only this. `secrets/` seals and opens it.
import { z } from 'zod';

/** X25519 ephemeral public key, and the AES-256-GCM ciphertext with its tag; both base64. */
export const sealedSecretSchema = z.object({
  version: z.literal(1),
  /** Fingerprint of the site key that it was sealed to, `SHA256:…`. */
  sealedTo: z.string(),
  ephemeralKey: z.string(),
  ciphertext: z.string(),
});
export type SealedSecret = z.infer<typeof sealedSecretSchema>;

/**
 * What a secret was sealed for. It opens for exactly this and nothing else: one Workflow, one purpose, one
 * subject (the backup set's name, or the target as `host:port/user`).
 */
export interface SecretBinding {
  /** `drill:NAME` for all that a drill of this name does, run once or by a schedule, its sessions included. */
  readonly workflowId: string;
  readonly purpose: 'set-passphrase' | 'target-password';
  readonly subject: string;
}
