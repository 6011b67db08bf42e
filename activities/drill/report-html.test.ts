// The report for people: well-formed whatever is in it, nothing but text from outside, and the facts a reader wants.
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reportHtml } from './report-html.ts';
import { reportOf } from './testing/report.ts';

const DRILL = 'nightly-20261123t030000z';
const none = new Map<string, Uint8Array>();
const picture = { file: `drill-${DRILL}-vm1.png`, sha256: '0'.repeat(64), sizeBytes: 3 };
const pictures = new Map([[picture.file, new Uint8Array([1, 2, 3])]]);
const attack = `"><script>alert(1)</script>&amp; ' <img src=x onerror=y> \u0000\u202E\uD800`;

/** Without the heads that a comparison does not need. */
const wordsOf = (html: string): string =>
  html
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ');

describe('the report as HTML', () => {
  it('says how it went, how long it took, and what it should have taken', () => {
    const words = wordsOf(reportHtml(reportOf(DRILL, { picture }), pictures));
    for (const fact of [
      '1 of 1 VM came up',
      'target 1 min 00 s',
      '2.4 s',
      '19.8 s',
      'esx01',
      'Nothing of the drill',
    ]) {
      expect(words).toContain(fact);
    }
  });

  it('says why a VM failed, and what is left', () => {
    const report = {
      ...reportOf(DRILL, { verdict: 'failed', reason: 'no heartbeat came' }),
      leftBehind: ['VM web01'],
    };
    const words = wordsOf(reportHtml(report, none));
    for (const fact of ['0 of 1 VM', 'no heartbeat came', 'Left behind', 'VM web01'])
      expect(words).toContain(fact);
    expect(words).not.toContain('Nothing of the drill is left');
  });

  it('holds its pictures itself, and loads nothing', () => {
    const html = reportHtml(reportOf(DRILL, { picture }), pictures);
    expect(html).toContain(`src="data:image/png;base64,${Buffer.from([1, 2, 3]).toString('base64')}"`);
    expect(html).not.toMatch(/(?:src|href)="(?!data:)/);
    expect(html).toContain("default-src 'none'");
  });

  it('shows what comes from outside as text, whatever it is, and is well-formed to a foreign reader', () => {
    const texts = fc.sample(fc.oneof(fc.constant(attack), fc.string({ unit: 'binary' })), 300);
    const [one] = reportOf(DRILL, { verdict: 'failed', picture }).vms;
    const vms = texts.flatMap((text) =>
      one === undefined ? [] : [{ ...one, vmName: text, reason: text, notes: [text] }],
    );
    const report = { ...reportOf(DRILL), target: attack, reason: attack, leftBehind: [...texts], vms };
    const html = reportHtml(report, pictures);
    expect(html).not.toMatch(/<script|<img src/);
    execFileSync('xmllint', ['--noout', '-'], { input: html });
  });

  it('draws nothing for a VM that never ran', () => {
    const vm = { verdict: 'notRun' as const, poweredOnMs: undefined, guestReadyMs: undefined };
    expect(reportHtml(reportOf(DRILL, vm), none)).not.toContain('class="bar');
  });
});
