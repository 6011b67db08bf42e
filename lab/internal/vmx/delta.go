package vmx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// NoParent is the parentCID of a disk that stands by itself.
const NoParent = "ffffffff"

// DeltaKind is one way in which a snapshot's disk is kept: vmfsSparse on NFS, seSparse on VMFS 6, vsanSparse on vSAN.
type DeltaKind struct {
	CreateType, ExtentKind, Suffix string
}

// The kinds of delta disks that hosts make.
var (
	VMFSSparse = DeltaKind{"vmfsSparse", "VMFSSPARSE", "-delta.vmdk"}
	SESparse   = DeltaKind{"seSparse", "SESPARSE", "-sesparse.vmdk"}
	VSANSparse = DeltaKind{"vsanSparse", "VSANSPARSE", ""} // an object, which has no name
)

// IsDelta tells whether the disk holds only what differs from its parent.
func (d *Descriptor) IsDelta() bool {
	for _, kind := range []DeltaKind{VMFSSparse, SESparse, VSANSparse} {
		if strings.EqualFold(d.CreateType, kind.CreateType) {
			return true
		}
	}
	return false
}

// Delta returns the one file that holds a delta disk's blocks, or "" for a disk of another kind.
func (d *Descriptor) Delta(directory string) string {
	if !d.IsDelta() || len(d.Extents) != 1 || d.Extents[0].File == "" || d.Extents[0].Object() != "" {
		return ""
	}
	return filepath.Join(directory, filepath.Base(d.Extents[0].File))
}

// NewDelta writes the descriptor of a delta disk. parentFile is relative to the descriptor's directory, or absolute.
func NewDelta(kind DeltaKind, dataFile string, capacityBytes int64, cid uint32, parentFile, parentCID string) string {
	return fmt.Sprintf(`# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=%08x
parentCID=%s
isNativeSnapshot="no"
createType="%s"
parentFileNameHint="%s"

# Extent description
RW %d %s "%s"

# The Disk Data Base
#DDB

ddb.longContentID = "%s%s%s%08x"
`, cid, parentCID, kind.CreateType, parentFile, capacityBytes/SectorBytes, kind.ExtentKind, dataFile,
		parentCID, parentCID, parentCID, cid)
}

// EditDescriptor changes keys of the descriptor's head (CID, parentCID, parentFileNameHint) in place.
func EditDescriptor(path string, changes map[string]string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		key, old, found := strings.Cut(line, "=")
		value, changed := changes[strings.TrimSpace(key)]
		switch {
		case found && changed && strings.HasPrefix(strings.TrimSpace(old), `"`):
			fmt.Fprintf(&b, "%s=\"%s\"\n", key, value)
		case found && changed:
			fmt.Fprintf(&b, "%s=%s\n", key, value)
		default:
			b.WriteString(line)
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(b.String())
	return errors.Join(err, file.Sync(), file.Close())
}
