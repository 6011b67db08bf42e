// Speaks to a lab's control socket: JSON over HTTP over a Unix socket in the lab's folder.
import { request } from 'node:http';
import path from 'node:path';
import { LabError } from './error.ts';

const SOCKET_NAME = 'control.sock';
const DEFAULT_LIMIT_MS = 60_000;

export type Ask = (
  method: 'GET' | 'POST' | 'DELETE',
  at: string,
  body?: unknown,
  limitMs?: number,
) => Promise<unknown>;

/**
 * Opens nothing yet: each question is a connection of its own.
 * @throws (the function it returns) LabError NotRunning when nobody listens, Refused with the lab's own words.
 */
export function controlOf(directory: string): Ask {
  const socketPath = path.join(directory, SOCKET_NAME);
  return (method, at, body, limitMs = DEFAULT_LIMIT_MS) =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const question = request({ socketPath, method, path: at, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', (error) => reject(gone(directory, error)));
        response.on('end', () => {
          const answer = parsed(Buffer.concat(chunks).toString('utf8'));
          if (response.statusCode === 200) resolve(answer);
          else reject(new LabError('Refused', `the lab refused ${method} ${at}: ${refusalOf(answer)}`));
        });
      });
      question.setTimeout(limitMs, () => question.destroy(new Error(`no answer within ${limitMs} ms`)));
      question.on('error', (error) => reject(gone(directory, error)));
      question.end(text);
    });
}

function gone(directory: string, cause: Error): LabError {
  return new LabError('NotRunning', `no lab answers in ${directory}: ${cause.message}`, { cause });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function refusalOf(answer: unknown): string {
  if (typeof answer === 'object' && answer !== null && 'error' in answer) return String(answer.error);
  return String(answer);
}
