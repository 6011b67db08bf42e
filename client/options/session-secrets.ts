// The two secrets that a session needs, however they come: the backup set's passphrase and the target's password.
import { targetSubject } from '../../contract/index.ts';
import { ClientError } from '../errors/client-error.ts';
import type { Terminal } from '../terminal.ts';
import type { PassphraseOptions } from './arguments.ts';
import type { TargetOptions } from './session-options.ts';
import { readSecrets, type SecretSource } from './typed-secret.ts';

export interface SessionSecretOptions extends PassphraseOptions, TargetOptions {
  readonly set: string;
}

export interface SessionSecrets {
  readonly passphrase: Uint8Array;
  readonly password: Uint8Array;
  /** A person was asked for one of them. */
  readonly typed: boolean;
}

/** With both on standard input, the first line is the passphrase. Throws ClientError. */
export async function readSessionSecrets(
  options: SessionSecretOptions,
  terminal: Terminal,
): Promise<SessionSecrets> {
  const { set, target, user } = options;
  const sources: readonly SecretSource[] = [
    {
      name: 'passphrase',
      subject: `backup set ${set}`,
      file: options.passphraseFile,
      stdin: options.passphraseStdin ?? false,
    },
    {
      name: 'password',
      subject: targetSubject({ ...target, user }),
      file: options.passwordFile,
      stdin: options.passwordStdin ?? false,
    },
  ];
  const [passphrase, password] = await readSecrets(sources, terminal);
  if (passphrase === undefined || password === undefined) {
    throw new ClientError('SecretUnreadable', 'passphrase and password are both needed');
  }
  const typed = sources.some(({ file, stdin }) => file === undefined && !stdin);
  return { passphrase, password, typed };
}
