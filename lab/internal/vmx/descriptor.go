package vmx

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// SectorBytes is the unit of a descriptor's sizes.
const SectorBytes = 512

const maxDescriptorBytes = 64 << 10

// Extent is one line of a descriptor's extent description.
type Extent struct {
	Access  string
	Sectors int64
	Kind    string
	File    string
}

// ObjectScheme begins the name of an extent whose bytes are an object of a vSAN, and no file.
const ObjectScheme = "vsan://"

// Object is the UUID of the object that holds the extent's bytes, or "" where a file does.
func (e Extent) Object() string {
	id, found := strings.CutPrefix(e.File, ObjectScheme)
	if !found {
		return ""
	}
	return filepath.Base(id)
}

// Descriptor is the text file NAME.vmdk that says which files hold a disk's bytes.
type Descriptor struct {
	CID, ParentCID string
	CreateType     string
	ParentFile     string
	Extents        []Extent
	Database       map[string]string
}

// ReadDescriptor reads a .vmdk that is a text descriptor; a sparse disk with an embedded one is refused.
func ReadDescriptor(path string) (*Descriptor, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxDescriptorBytes {
		return nil, fmt.Errorf("%s is larger than a descriptor can be", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseDescriptor(string(data))
}

// ParseDescriptor reads a descriptor's text.
func ParseDescriptor(text string) (*Descriptor, error) {
	if !strings.HasPrefix(text, "# Disk DescriptorFile") {
		return nil, fmt.Errorf("not a disk descriptor: it does not start with \"# Disk DescriptorFile\"")
	}
	d := &Descriptor{Database: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if extent, ok := parseExtent(line); ok {
			d.Extents = append(d.Extents, extent)
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found {
			continue
		}
		d.set(strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"`))
	}
	if len(d.Extents) == 0 {
		return nil, fmt.Errorf("the disk descriptor names no extent")
	}
	return d, nil
}

func (d *Descriptor) set(key, value string) {
	switch key {
	case "CID":
		d.CID = value
	case "parentCID":
		d.ParentCID = value
	case "createType":
		d.CreateType = value
	case "parentFileNameHint":
		d.ParentFile = value
	default:
		if strings.HasPrefix(key, "ddb.") {
			d.Database[key] = value
		}
	}
}

// parseExtent reads `RW 81920 VMFS "x-flat.vmdk"`.
func parseExtent(line string) (Extent, bool) {
	access, rest, _ := strings.Cut(line, " ")
	if access != "RW" && access != "RDONLY" && access != "NOACCESS" {
		return Extent{}, false
	}
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return Extent{}, false
	}
	sectors, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || sectors < 0 {
		return Extent{}, false
	}
	e := Extent{Access: access, Sectors: sectors, Kind: fields[1]}
	if from := strings.IndexByte(line, '"'); from >= 0 {
		if to := strings.LastIndexByte(line, '"'); to > from {
			e.File = line[from+1 : to]
		}
	}
	return e, true
}

// CapacityBytes is the size of the disk that a guest sees.
func (d *Descriptor) CapacityBytes() int64 {
	var sectors int64
	for _, e := range d.Extents {
		sectors += e.Sectors
	}
	return sectors * SectorBytes
}

// Thin tells whether the disk was made thin.
func (d *Descriptor) Thin() bool { return d.Database["ddb.thinProvisioned"] == "1" }

// UUID is the disk's, in the form of the API (6000C29a-1234-…).
func (d *Descriptor) UUID() string {
	digits := strings.ReplaceAll(strings.ReplaceAll(d.Database["ddb.uuid"], " ", ""), "-", "")
	if len(digits) != 32 {
		return ""
	}
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}

// Raw returns the one flat file that holds the disk byte for byte, or "" for a disk of another kind.
func (d *Descriptor) Raw(directory string) string {
	if len(d.Extents) != 1 || (d.Extents[0].Kind != "VMFS" && d.Extents[0].Kind != "FLAT") || d.Extents[0].Object() != "" {
		return ""
	}
	if filepath.IsAbs(d.Extents[0].File) {
		return d.Extents[0].File
	}
	return filepath.Join(directory, d.Extents[0].File)
}

// NewDescriptor writes the descriptor of a thin flat disk as ESXi does. uuid are 16 bytes, cid is any number.
func NewDescriptor(flatFile string, capacityBytes int64, uuid [16]byte, cid uint32) string {
	const heads, sectorsPerTrack = 255, 63
	return FlatDescriptor(flatFile, capacityBytes, fmt.Sprintf("%08x", cid), map[string]string{
		"ddb.adapterType":        "lsilogic",
		"ddb.geometry.cylinders": fmt.Sprint(max(1, capacityBytes/SectorBytes/(heads*sectorsPerTrack))),
		"ddb.geometry.heads":     fmt.Sprint(heads),
		"ddb.geometry.sectors":   fmt.Sprint(sectorsPerTrack),
		"ddb.longContentID":      fmt.Sprintf("%x%08x", uuid[:12], cid),
		"ddb.thinProvisioned":    "1",
		"ddb.uuid":               fmt.Sprintf("% x-% x", uuid[:8], uuid[8:]),
		"ddb.virtualHWVersion":   "19",
	})
}

// FlatDescriptor writes the descriptor of a flat disk with a given disk data base.
func FlatDescriptor(flatFile string, capacityBytes int64, cid string, database map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=%s
parentCID=%s
createType="vmfs"

# Extent description
RW %d VMFS "%s"

# The Disk Data Base
#DDB

`, cid, NoParent, capacityBytes/SectorBytes, flatFile)
	for _, key := range slices.Sorted(maps.Keys(database)) {
		fmt.Fprintf(&b, "%s = \"%s\"\n", key, database[key])
	}
	return b.String()
}
