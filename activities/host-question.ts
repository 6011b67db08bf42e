// What a host asks about a VM, as a session shows it. Hosts write `msg.hbacommon.outofspace:There is no more space …`
// and choices with a button's name and an accelerator in them (`button.retry`, `I _Moved It`).
import type { HostQuestion } from '../contract/index.ts';
import type { Vm } from '../vsphere/index.ts';

/** A question is a few sentences. */
const MAX_TEXT = 1_000;

export function hostQuestion({ question }: Pick<Vm, 'question'>): HostQuestion | undefined {
  if (question === undefined) return undefined;
  const { id, text, choices } = question;
  return {
    id,
    text: text.replace(/^msg\.[\w.]+:\s*/, '').slice(0, MAX_TEXT),
    choices: choices.map(({ key, label, summary }) => ({ key, label: wordsOf(summary, label, key) })),
  };
}

function wordsOf(...candidates: readonly string[]): string {
  return candidates.map((each) => each.replaceAll('_', '').trim()).find((each) => each !== '') ?? '';
}
