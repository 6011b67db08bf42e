import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmFolderError } from './vm-folder-error.ts';
import { parseVmx } from './vmx.ts';

const parse = (text: string) => parseVmx(Buffer.from(text));

describe('a .vmx file', () => {
  it('is written back byte for byte when nothing changes', () => {
    const text =
      '#!/usr/bin/vmware\n.encoding = "UTF-8"\n\n# by hand\nScsi0.Present="TRUE"\nnumvcpus = 2\n  odd line\nannotation = "a|22b|7C|0Ac"\n';
    expect(parse(text).serialize()).toBe(text);
  });

  it('keeps the line ends of Windows', () => {
    const vmx = parse('displayName = "a"\r\nmemsize = "64"\r\n');
    expect(vmx.with({ displayname: 'b' }).serialize()).toBe('displayName = "b"\r\nmemsize = "64"\r\n');
  });

  it('finds keys in any case of letters, and decodes escapes', () => {
    const vmx = parse('ANNOTATION = "say |22hi|22 |7C two|0Alines |C3|A4"\nethernet0.present = "True"\n');
    expect(vmx.get('annotation')).toBe('say "hi" | two\nlines ä');
    expect(vmx.isTrue('Ethernet0.Present')).toBe(true);
    expect(vmx.get('toString')).toBeUndefined();
  });

  it('reads other encodings and is UTF-8 once written', () => {
    const bytes = Buffer.concat([
      Buffer.from('.encoding = "windows-1252"\ndisplayName = "M'),
      Buffer.from([0xfc]),
      Buffer.from('ller"\n'),
    ]);
    const vmx = parseVmx(bytes);
    expect(vmx.get('displayName')).toBe('Müller');
    expect(vmx.serialize()).toBe('.encoding = "UTF-8"\ndisplayName = "Müller"\n');
  });

  it('changes in place, appends and removes, and leaves every other line alone', () => {
    const vmx = parse('a = "1"\nB = "2"\nb = "again"\nc = "3"\n').with({ b: 'two', d: '4', A: undefined });
    expect(vmx.serialize()).toBe('B = "two"\nc = "3"\nd = "4"\n');
  });

  it('keeps any value through writing and reading', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (value) => {
        const written = parse('other = "x"\n').with({ 'guestinfo.value': value }).serialize();
        const vmx = parse(written);
        expect(vmx.get('guestinfo.value')).toBe(value);
        expect(vmx.get('other')).toBe('x');
        expect(written.split('\n')).toHaveLength(3);
      }),
    );
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a disk', Buffer.concat([Buffer.from('KDMV'), Buffer.alloc(512)])],
    ['a wrong encoding', Buffer.from([0x61, 0x3d, 0x22, 0xff, 0x22])],
    ['an unknown encoding', Buffer.from('.encoding = "klingon"\na = "b"\n')],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseVmx(bytes)).toThrow(VmFolderError);
  });
});
