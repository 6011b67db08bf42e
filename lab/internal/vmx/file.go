// Package vmx reads and writes a virtual machine's configuration file (.vmx) and the text descriptors of its disks
// (.vmdk), as ESXi lays them out on a datastore.
package vmx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	maxFileBytes = 1 << 20
	header       = ".encoding = \"UTF-8\"\n"
)

// File is a .vmx: keys with values, in the order of the file. Keys are compared without case, as ESXi does.
type File struct {
	entries []entry
}

type entry struct{ key, value string }

// ErrMalformed says that a file is not a .vmx.
var ErrMalformed = errors.New("not a .vmx file")

// Read reads a .vmx from disk.
func Read(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrMalformed, path, maxFileBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(string(data))
}

// Parse reads `key = "value"` lines; blank lines and comments are dropped.
func Parse(text string) (*File, error) {
	f := &File{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if line == "" || line[0] == '#' {
			continue
		}
		key, quoted, found := strings.Cut(line, "=")
		if !found {
			return nil, fmt.Errorf("%w: line %d has no \"=\"", ErrMalformed, number)
		}
		if key = strings.TrimSpace(key); !strings.EqualFold(key, ".encoding") {
			f.Set(key, unquote(strings.TrimSpace(quoted)))
		}
	}
	return f, nil
}

// unquote takes the quotes off and undoes |XX, by which a .vmx writes what may not stand between quotes.
func unquote(text string) string {
	text = strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`)
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '|' && i+2 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(code))
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func quote(text string) string {
	return `"` + strings.NewReplacer("|", "|7C", `"`, "|22", "\n", "|0A", "\r", "|0D").Replace(text) + `"`
}

// Get returns a key's value, or "".
func (f *File) Get(key string) string {
	value, _ := f.Lookup(key)
	return value
}

// Lookup tells also whether the key is there.
func (f *File) Lookup(key string) (string, bool) {
	for _, e := range f.entries {
		if strings.EqualFold(e.key, key) {
			return e.value, true
		}
	}
	return "", false
}

// True tells whether a key is set to a yes.
func (f *File) True(key string) bool { return isTrue(f.Get(key)) }

func isTrue(value string) bool {
	return strings.EqualFold(value, "TRUE") || value == "1" || strings.EqualFold(value, "yes")
}

// Set changes a key's value, or appends the key.
func (f *File) Set(key, value string) {
	for i := range f.entries {
		if strings.EqualFold(f.entries[i].key, key) {
			f.entries[i].value = value
			return
		}
	}
	f.entries = append(f.entries, entry{key, value})
}

// Remove takes a key out.
func (f *File) Remove(key string) {
	for i, e := range f.entries {
		if strings.EqualFold(e.key, key) {
			f.entries = append(f.entries[:i], f.entries[i+1:]...)
			return
		}
	}
}

// Each calls visit for every key in the file's order.
func (f *File) Each(visit func(key, value string)) {
	for _, e := range f.entries {
		visit(e.key, e.value)
	}
}

// Text is the file's content.
func (f *File) Text() string {
	var b strings.Builder
	b.WriteString(header)
	for _, e := range f.entries {
		fmt.Fprintf(&b, "%s = %s\n", e.key, quote(e.value))
	}
	return b.String()
}

// Write replaces the file at path as ESXi does: a NAME.vmx~ beside it is written, flushed and renamed over it.
func (f *File) Write(path string) error {
	mode := os.FileMode(0o755)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	beside := path + "~"
	out, err := os.OpenFile(beside, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = out.WriteString(f.Text())
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		_ = os.Remove(beside)
		return err
	}
	if err := os.Rename(beside, path); err != nil {
		_ = os.Remove(beside)
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}
