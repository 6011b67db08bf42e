// A small JSON file that is replaced whole: after a crash it is the old one or the new one. Changes are made one
// after the other, and are durable before they count.
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { asGatewayError, GatewayError, messageOf } from './gateway-error.ts';

export class StateFile<T> {
  readonly #path: string;
  #value: T;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(path: string, value: T) {
    this.#path = path;
    this.#value = value;
  }

  /** Reads the file; `initial` where there is none. Throws Unexpected when it is damaged. */
  static async open<T>(path: string, schema: z.ZodType<T>, initial: () => T): Promise<StateFile<T>> {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) {
      const file = new StateFile(path, initial());
      await file.#write(file.#value);
      return file;
    }
    try {
      return new StateFile(path, schema.parse(JSON.parse(text)));
    } catch (error) {
      throw new GatewayError(
        'Unexpected',
        `${path} is damaged: ${messageOf(error)}. Restore it from a copy.`,
        {
          cause: error,
        },
      );
    }
  }

  get value(): T {
    return this.#value;
  }

  /** Replaces the value with what `change` makes of it. What `change` throws leaves it as it is. Throws StorageFull. */
  async update(change: (value: T) => T | Promise<T>): Promise<T> {
    const updated = this.#last.then(async () => {
      const next = await change(this.#value);
      await this.#write(next);
      this.#value = next;
      return next;
    });
    this.#last = updated.catch(() => undefined);
    return updated;
  }

  async #write(value: T): Promise<void> {
    const temporary = `${this.#path}.new`;
    try {
      {
        await using file = await open(temporary, 'w', 0o600);
        await file.writeFile(JSON.stringify(value, undefined, 2));
        await file.sync();
      }
      await rename(temporary, this.#path);
      await syncDirectory(dirname(this.#path));
    } catch (error) {
      const { code, message } = asGatewayError(error);
      throw new GatewayError(code, `${this.#path} can't be written: ${message}`, { cause: error });
    }
  }
}

/** Names made, moved and removed in the folder are on stable storage. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}
