package vim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/vmx"
)

// maxLayers is a host's limit: a base and 32 snapshots' deltas.
const maxLayers = 33

// qcow2Magic starts the file of a delta that the lab has made. VMware's own formats are closed or read-only in QEMU;
// everything around the blocks (names, descriptors, content IDs) is as a host writes it.
var qcow2Magic = []byte("QFI\xfb")

// layer is one file of a disk: its descriptor's place, what that says, and QEMU's name for it while it is open.
type layer struct {
	place
	descriptor *vmx.Descriptor
	node       string
}

// chain is a disk's layers, base first.
type chain []layer

func (c chain) top() layer { return c[len(c)-1] }

// image is the chain as QEMU opens it.
func (c chain) image() []guest.Layer {
	layers := make([]guest.Layer, len(c))
	for i, y := range c {
		layers[i] = y.image()
	}
	return layers
}

func (y layer) image() guest.Layer {
	file, format := y.data()
	return guest.Layer{Node: y.node, File: file, Format: format, Direct: y.network}
}

// data is the file that holds the layer's bytes, and its format.
func (y layer) data() (file, format string) {
	if object := y.object(); object != "" {
		if y.descriptor.IsDelta() {
			return object, "qcow2"
		}
		return object, "raw"
	}
	directory := filepath.Dir(y.local)
	if raw := y.descriptor.Raw(directory); raw != "" {
		return raw, "raw"
	}
	if delta := y.descriptor.Delta(directory); delta != "" && startsWith(delta, qcow2Magic) {
		return delta, "qcow2"
	}
	return y.local, "vmdk" // QEMU reads the descriptor itself
}

// object is the file that plays the layer's object on a vSAN, or "" for a layer whose bytes are in a file.
func (y layer) object() string {
	if len(y.descriptor.Extents) != 1 || y.descriptor.Extents[0].Object() == "" {
		return ""
	}
	return filepath.Join(y.objects, y.descriptor.Extents[0].Object())
}

// files are the layer's files: the descriptor last, so that what is left of a removal that breaks off is still named.
func (y layer) files() []string {
	files := []string{y.local}
	if object := y.object(); object != "" {
		return []string{object, y.local}
	}
	for _, e := range y.descriptor.Extents {
		if e.File != "" && !filepath.IsAbs(e.File) {
			files = append([]string{filepath.Join(filepath.Dir(y.local), e.File)}, files...)
		}
	}
	return files
}

func startsWith(file string, magic []byte) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && bytes.Equal(head, magic)
}

// chainAt reads the chain that ends in a descriptor, as a host opens it: every file must be there (FileNotFound), and
// each parent must have the content ID and the size that its child expects (GenericVmConfigFault).
func (l *Lab) chainAt(host types.ManagedObjectReference, at place) (chain, types.BaseMethodFault) {
	var c chain
	for len(c) < maxLayers {
		y, fault := readLayer(at)
		if fault != nil {
			return nil, fault
		}
		if len(c) > 0 {
			if fault := fits(c[0], y); fault != nil {
				return nil, fault
			}
		}
		c = slices.Insert(c, 0, y)
		if !y.descriptor.IsDelta() {
			return c, nil
		}
		datastore, inside, err := vmx.DatastorePath(y.descriptor.ParentFile, at.datastore.Name, path.Dir(at.path))
		if err != nil {
			return nil, badDisk(at, "its parent %q: %v", y.descriptor.ParentFile, err)
		}
		var found bool
		if at, found = l.locate(host, datastore, inside); !found {
			return nil, localized(&types.InvalidDatastore{Name: datastore}, "The parent of %s is on a datastore that the host does not have", y.dsPath())
		}
	}
	return nil, badDisk(at, "it has more than %d layers", maxLayers)
}

func badDisk(at place, format string, arguments ...any) types.BaseMethodFault {
	reason := fmt.Sprintf(format, arguments...)
	return localized(&types.GenericVmConfigFault{Reason: reason}, "Cannot open the disk '%s' or one of the snapshot disks it depends on: %s", at.dsPath(), reason)
}

func fileNotFound(at place, file string) types.BaseMethodFault {
	return localized(&types.FileNotFound{FileFault: types.FileFault{File: at.dsPath()}}, "File %s was not found (%s)", at.dsPath(), file)
}

func readLayer(at place) (layer, types.BaseMethodFault) {
	descriptor, err := vmx.ReadDescriptor(at.local)
	if errors.Is(err, os.ErrNotExist) {
		return layer{}, fileNotFound(at, filepath.Base(at.local))
	}
	if err != nil {
		return layer{}, badDisk(at, "%v", err)
	}
	y := layer{place: at, descriptor: descriptor, node: "layer-" + randomHex(6)}
	if file, _ := y.data(); !exists(file) {
		return layer{}, fileNotFound(at, filepath.Base(file))
	}
	return y, nil
}

func fits(child, parent layer) types.BaseMethodFault {
	if child.descriptor.ParentCID != parent.descriptor.CID {
		return badDisk(child.place, "The parent virtual disk has been modified since the child was created. The content ID of the parent virtual disk does not match the corresponding parent content ID in the child.")
	}
	if child.descriptor.CreateType == vmx.VSANSparse.CreateType && parent.objects == "" {
		return badDisk(child.place, "a vsanSparse disk stands on a disk of a vSAN, and its parent is %s", parent.dsPath())
	}
	if child.descriptor.CapacityBytes() != parent.descriptor.CapacityBytes() {
		return badDisk(child.place, "The capacity of the parent virtual disk and the capacity of the child disk are different.")
	}
	return nil
}

// chainOf is a disk's chain: the open one while the machine runs, else the files'.
func (m *machine) chainOf(d vmx.Disk) (chain, types.BaseMethodFault) {
	m.mu.Lock()
	open := m.chains[unitKey(d.Kind, d.Bus, d.Unit)]
	m.mu.Unlock()
	if open != nil {
		return slices.Clone(open), nil
	}
	at, fault := m.diskPlace(d)
	if fault != nil {
		return nil, fault
	}
	return m.lab.chainAt(m.host, at)
}

// setChain notes what a running machine has open.
func (m *machine) setChain(d vmx.Disk, c chain) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.guest != nil {
		m.chains[unitKey(d.Kind, d.Bus, d.Unit)] = c
	}
}

// use is how a machine that is powered on has a disk's file open.
type use int

const (
	unused use = iota
	read
	written
)

// useOf tells how machines other than one, and copies, have a disk's descriptor open: the last layer of a machine's
// disk is written, those below are read.
func (l *Lab) useOf(at place, except *machine) use {
	found := l.opened(except, func(y layer) bool { return y.datastore == at.datastore && y.path == at.path })
	l.mu.Lock()
	defer l.mu.Unlock()
	if found == unused && l.copied[at.dsPath()] > 0 {
		return read
	}
	return found
}

// openBelow tells the same of any file: a disk's bytes, or what a directory holds.
func (l *Lab) openBelow(at place) use {
	return l.opened(nil, func(y layer) bool {
		if y.datastore != at.datastore {
			return false
		}
		data, _ := y.data()
		for _, file := range []string{y.path, path.Join(path.Dir(y.path), filepath.Base(data))} {
			if file == at.path || strings.HasPrefix(file, at.path+"/") {
				return true
			}
		}
		return false
	})
}

func (l *Lab) opened(except *machine, is func(layer) bool) use {
	found := unused
	for _, m := range l.allMachines() {
		if m == except {
			continue
		}
		m.mu.Lock()
		chains := slices.Collect(maps.Values(m.chains))
		m.mu.Unlock()
		for _, c := range chains {
			for i, y := range c {
				switch {
				case !is(y):
				case i == len(c)-1:
					return written
				default:
					found = read
				}
			}
		}
	}
	return found
}

// readLock keeps a chain from being written to while it is copied. FileLocked when a machine writes to it.
func (l *Lab) readLock(c chain) (release func(), fault types.BaseMethodFault) {
	for _, y := range c {
		if l.useOf(y.place, nil) == written {
			return nil, fileLocked(y.place)
		}
	}
	count := func(by int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, y := range c {
			l.copied[y.dsPath()] += by
		}
	}
	count(1)
	return func() { count(-1) }, nil
}

// lockable tells whether a chain can be opened by the machine: to write its last layer and read the others.
func (l *Lab) lockable(c chain, by *machine) types.BaseMethodFault {
	for i, y := range c {
		use := l.useOf(y.place, by)
		if use == written || (use == read && i == len(c)-1) {
			return fileLocked(y.place)
		}
	}
	return nil
}

func fileLocked(at place) types.BaseMethodFault {
	return localized(&types.FileLocked{FileFault: types.FileFault{File: at.dsPath()}}, "Unable to access file %s since it is locked", at.dsPath())
}
