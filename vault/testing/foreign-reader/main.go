// Reads a vault by nothing but docs/vault-format.md, in another language with other libraries, so that the
// format is what the document says and not what one program happens to do. Authenticates every record it reads
// and compares every block with its digest.
//
// Usage: foreign-reader VAULT SET SEQUENCE VM DISK OUTPUT, the passphrase on standard input. It writes the disk
// to OUTPUT and the VM's small files to OUTPUT.NAME.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/argon2"
)

const (
	kindBlock  = 0x00
	kindPage   = 0x10
	kindDigest = 0x20
	kindFooter = 0x30
	fanout     = 1024
)

var le = binary.LittleEndian

func main() {
	if len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "usage: foreign-reader VAULT SET SEQUENCE VM DISK OUTPUT")
		os.Exit(2)
	}
	sequence, err := strconv.Atoi(os.Args[3])
	if err == nil {
		err = run(os.Args[1], os.Args[2], sequence, os.Args[4], os.Args[5], os.Args[6])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(vault, set string, sequence int, vm, disk, output string) error {
	passphrase, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	folder := filepath.Join(vault, "sets", set)
	key, err := openKeyFile(filepath.Join(folder, "key.json"), passphrase)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	job, files, err := openManifest(filepath.Join(folder, "jobs", fmt.Sprintf("%06d.job", sequence)), key)
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	for _, file := range files {
		if file.vm == vm {
			if err := os.WriteFile(output+"."+file.name, file.bytes, 0o600); err != nil {
				return err
			}
		}
	}
	for _, v := range job.VMs {
		for _, d := range v.Disks {
			if v.Name == vm && d.Name == disk {
				return writeDisk(folder, key, d.Chain, output)
			}
		}
	}
	return fmt.Errorf("no disk %s of %s", disk, vm)
}

func open(key, nonce, sealed, associated []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, nonce, sealed, associated)
}

func decompress(frame []byte) ([]byte, error) {
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	return decoder.DecodeAll(frame, nil)
}

func openKeyFile(path string, passphrase []byte) ([]byte, error) {
	var file struct {
		SetID string
		KDF   struct {
			MemoryKiB, Passes uint32
			Lanes             uint8
			Salt              []byte
		}
		Wrapped  struct{ Nonce, Key []byte }
		KeyCheck []byte
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	wrapping := argon2.IDKey(passphrase, file.KDF.Salt, file.KDF.Passes, file.KDF.MemoryKiB, file.KDF.Lanes, 32)
	key, err := open(wrapping, file.Wrapped.Nonce, file.Wrapped.Key, []byte("rundirect set key v1\n"+file.SetID))
	if err != nil {
		return nil, err
	}
	check, err := hkdf.Key(sha256.New, key, []byte(file.SetID), "rundirect key check v1", 16)
	if err != nil || !bytes.Equal(check, file.KeyCheck) {
		return nil, fmt.Errorf("key check differs (%v)", err)
	}
	return key, nil
}

type chainFile struct {
	FileID    string
	SizeBytes int64
}

type manifest struct {
	Salt string
	VMs  []struct {
		Name  string
		Disks []struct {
			Name      string
			SizeBytes int64
			Chain     []chainFile
		}
	}
}

type smallFile struct {
	vm, name string
	bytes    []byte
}

func openManifest(path string, setKey []byte) (*manifest, []smallFile, error) {
	object, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	if string(object[:8]) != "RDJOBMAN" || le.Uint16(object[8:]) != 1 {
		return nil, nil, fmt.Errorf("no manifest of version 1")
	}
	end := 20 + le.Uint32(object[12:])
	if uint32(len(object)) != end+le.Uint32(object[16:]) {
		return nil, nil, fmt.Errorf("its length is wrong")
	}
	var job manifest
	if err := json.Unmarshal(object[20:end], &job); err != nil {
		return nil, nil, err
	}
	salt, err := hex.DecodeString(job.Salt)
	if err != nil {
		return nil, nil, err
	}
	key, err := hkdf.Key(sha256.New, setKey, salt, "rundirect job manifest v1", 32)
	if err != nil {
		return nil, nil, err
	}
	frame, err := open(key, make([]byte, 12), object[end:], object[:end])
	if err != nil {
		return nil, nil, err
	}
	plain, err := decompress(frame)
	if err != nil {
		return nil, nil, err
	}
	var list []struct {
		VM, Name    string
		LengthBytes int
	}
	at := 4 + int(le.Uint32(plain))
	if err := json.Unmarshal(plain[4:at], &list); err != nil {
		return nil, nil, err
	}
	var files []smallFile
	for _, entry := range list {
		files = append(files, smallFile{entry.VM, entry.Name, plain[at : at+entry.LengthBytes]})
		at += entry.LengthBytes
	}
	return &job, files, nil
}

type blockFile struct {
	id    []byte
	key   []byte
	bytes []byte
}

type pointer struct {
	offset   uint64
	slot     uint16
	length   uint32
	encoding uint32
}

func uint48(b []byte) uint64 {
	return uint64(le.Uint32(b)) | uint64(le.Uint16(b[4:]))<<32
}

func readPointer(b []byte) pointer {
	return pointer{uint48(b), le.Uint16(b[6:]), le.Uint32(b[8:]), le.Uint32(b[12:])}
}

func (f *blockFile) record(kind byte, number uint64, p pointer, plainLength int) ([]byte, error) {
	nonce := make([]byte, 12)
	nonce[0] = kind
	le.PutUint32(nonce[4:], uint32(number))
	le.PutUint16(nonce[8:], uint16(number>>32))
	associated := append(append([]byte{}, f.id...), byte(p.encoding))
	associated = le.AppendUint32(associated, uint32(plainLength))
	plain, err := open(f.key, nonce, f.bytes[p.offset:p.offset+uint64(p.length)], associated)
	if err == nil && p.encoding == 2 {
		plain, err = decompress(plain)
	}
	if err == nil && len(plain) != plainLength {
		err = fmt.Errorf("it has %d bytes, not %d", len(plain), plainLength)
	}
	if err != nil {
		return nil, fmt.Errorf("record %#x/%d: %w", kind, number, err)
	}
	return plain, nil
}

type disk struct {
	files     []*blockFile
	blockSize int
	size      int64
	output    *os.File
}

func writeDisk(folder string, setKey []byte, chain []chainFile, output string) error {
	d := &disk{}
	for _, c := range chain {
		contents, err := os.ReadFile(filepath.Join(folder, "blocks", c.FileID+".blocks"))
		if err != nil {
			return err
		}
		id, err := hex.DecodeString(c.FileID)
		if err != nil {
			return err
		}
		if int64(len(contents)) != c.SizeBytes || string(contents[:8]) != "RDBLOCKS" || !bytes.Equal(contents[16:32], id) {
			return fmt.Errorf("%s is not the file it should be", c.FileID)
		}
		key, err := hkdf.Key(sha256.New, setKey, id, "rundirect block file v1", 32)
		if err != nil {
			return err
		}
		d.files = append(d.files, &blockFile{id, key, contents})
	}
	last := d.files[len(d.files)-1]
	at := pointer{offset: uint64(len(last.bytes) - 56), length: 48, encoding: 1}
	footer, err := last.record(kindFooter, 0, at, 32)
	if err != nil {
		return err
	}
	d.size, d.blockSize = int64(uint48(footer)), int(le.Uint32(footer[8:]))
	if d.output, err = os.Create(output); err != nil {
		return err
	}
	defer d.output.Close()
	if err := d.output.Truncate(d.size); err != nil {
		return err
	}
	if err := d.writePage(int(footer[14]), 0, readPointer(footer[16:])); err != nil {
		return err
	}
	return d.output.Truncate(d.size)
}

func (d *disk) writePage(level int, index uint64, p pointer) error {
	if p.encoding == 0 {
		return nil
	}
	page, err := d.files[p.slot].record(kindPage+byte(level), index, p, fanout*16)
	if err != nil {
		return err
	}
	if level == 0 {
		return d.writeLeaf(index, p, page)
	}
	for i := uint64(0); i < fanout; i++ {
		if err := d.writePage(level-1, index*fanout+i, readPointer(page[i*16:])); err != nil {
			return err
		}
	}
	return nil
}

func (d *disk) writeLeaf(index uint64, p pointer, leaf []byte) error {
	stored := 0
	for i := 0; i < fanout; i++ {
		if readPointer(leaf[i*16:]).encoding != 0 {
			stored++
		}
	}
	digestsAt := pointer{p.offset + uint64(p.length), p.slot, uint32(32*stored + 16), 1}
	digests, err := d.files[p.slot].record(kindDigest, index, digestsAt, 32*stored)
	if err != nil {
		return err
	}
	for i := uint64(0); i < fanout; i++ {
		at := readPointer(leaf[i*16:])
		if at.encoding == 0 {
			continue
		}
		number := index*fanout + i
		block, err := d.files[at.slot].record(kindBlock, number, at, d.blockSize)
		if err != nil {
			return err
		}
		if digest := sha256.Sum256(block); !bytes.Equal(digest[:], digests[:32]) {
			return fmt.Errorf("block %d has another digest", number)
		}
		digests = digests[32:]
		if _, err := d.output.WriteAt(block, int64(number)*int64(d.blockSize)); err != nil {
			return err
		}
	}
	return nil
}
