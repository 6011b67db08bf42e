import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmFolderError } from './vm-folder-error.ts';
import { parseVmx } from './vmx.ts';

const parse = (text: string) => parseVmx(Buffer.from(text));

describe('a .vmx file', () => {
  it('is written back byte for byte when nothing changes', () => {
    const text =
      '#!/usr/bin/vmware\n.encoding = "UTF-8"\n\n# by hand\nScsi0.Present="TRUE"\nnumvcpus = 2\n  spaced\t=\t"x"  # why\nannotation = "a|22b|7C|0Ac"\n';
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

  it('reads values whose line ends in a comment, as hosts do', () => {
    const vmx = parse('scsi0:1.fileName = "data.vmdk" # 2nd disk\nmemsize = 64 # MB\nempty = # none\n');
    expect(vmx.get('scsi0:1.fileName')).toBe('data.vmdk');
    expect(vmx.get('memsize')).toBe('64');
    expect(vmx.get('empty')).toBe('');
    expect(vmx.with({ memsize: '128' }).serialize()).toContain('memsize = "128"\n');
  });

  it.each(['scsi0:1.fileName = "data"2.vmdk"', 'scsi0:1.fileName "data.vmdk"', 'a = "open', '= "x"'])(
    'refuses the line %s, which could name a disk, and says where it is',
    (line) => {
      expect(() => parseVmx(Buffer.from(`a = "1"\r\n${line}\r\n`), 'web.vmx')).toThrow(/^Line 2 of web.vmx/);
    },
  );

  it.each(['TRUE', 'true', 'Yes', 'on', '1'])('takes %s for a yes', (value) => {
    expect(parse(`scsi0:0.present = "${value}"\n`).isTrue('scsi0:0.present')).toBe(true);
    expect(parse(`scsi0:0.present = "${value}!"\n`).isTrue('scsi0:0.present')).toBe(false);
  });

  it('reads what is long and odd in a time that grows with its length alone', () => {
    const blanks = ' '.repeat(300_000);
    expect(() => parse(`a = x${blanks}"\n`)).toThrow(VmFolderError);
    expect(() => parse(`a = ${blanks}x y"\n`)).toThrow(VmFolderError);
    expect(parse(`${'\n'.repeat(300_000)}a = "1"\n`).get('a')).toBe('1');
    expect(parse(`a = "${'x'.repeat(3_000_000)}"\n`).get('a')).toHaveLength(3_000_000);
  });

  it('reads UTF-8 behind a byte order mark, whatever it says', () => {
    const vmx = parse('\uFEFF.encoding = "windows-1252"\ndisplayName = "Müller"\n');
    expect(vmx.get('displayName')).toBe('Müller');
    expect(vmx.serialize()).toBe('.encoding = "UTF-8"\ndisplayName = "Müller"\n');
  });

  it('tells an encoding that is unknown from one that is not kept to', () => {
    expect(() => parse('.encoding = "klingon"\n')).toThrow(/klingon, an encoding that is not known/);
    expect(() => parseVmx(Buffer.from([0x61, 0x3d, 0x22, 0xff, 0x22]))).toThrow(/names no other encoding/);
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
