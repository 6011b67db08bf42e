package vmx

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
)

const (
	maxControllers   = 4
	maxSCSIUnits     = 64
	maxNICs          = 10
	volumes          = "/vmfs/volumes/"
	defaultMemory    = 32
	reservedSCSIUnit = 7
)

// Hardware is what a .vmx says about a machine.
type Hardware struct {
	Name, GuestID, Annotation, Version string
	BIOSUUID, InstanceUUID             string
	MemoryMiB                          int64
	CPUs, CoresPerSocket               int32
	Firmware                           string
	Controllers                        []Controller
	Disks                              []Disk
	NICs                               []NIC
	CDROMs                             []CDROM
	Passthrough                        []string
	TPM                                bool
}

// Controller is a disk controller: Kind is scsi, sata, nvme or ide; Model is the SCSI virtualDev.
type Controller struct {
	Kind  string
	Bus   int
	Model string
}

// Disk is a virtual disk. File is as written: relative to the machine's directory, or /vmfs/volumes/DATASTORE/….
type Disk struct {
	Kind       string
	Bus, Unit  int
	File, Mode string
}

// NIC is a network card. MAC is empty until a host has generated one.
type NIC struct {
	Index               int
	Model, Network, MAC string
	Manual              bool
	StartConnected      bool
}

// CDROM is a CD drive; File is an ISO image, or empty for a drive of the host or the client.
type CDROM struct {
	Kind           string
	Bus, Unit      int
	File           string
	StartConnected bool
}

// Hardware reads the machine out of the file.
func (f *File) Hardware() (Hardware, error) {
	h := Hardware{
		Name: f.Get("displayName"), GuestID: guestID(f.Get("guestOS")), Annotation: f.Get("annotation"),
		Version:  "vmx-" + fmt.Sprintf("%02d", f.number("virtualHW.version", 13)),
		BIOSUUID: apiUUID(f.Get("uuid.bios")), InstanceUUID: apiUUID(f.Get("vc.uuid")),
		CPUs: int32(f.number("numvcpus", 1)), MemoryMiB: f.number("memsize", defaultMemory),
		Firmware: f.Get("firmware"), TPM: f.True("vtpm.present"),
	}
	h.CoresPerSocket = int32(f.number("cpuid.coresPerSocket", 1))
	if h.Firmware == "" {
		h.Firmware = "bios"
	}
	if h.MemoryMiB < 4 || h.CPUs < 1 {
		return h, fmt.Errorf("%w: memsize or numvcpus is not a number that a machine can have", ErrMalformed)
	}
	for _, kind := range []string{"scsi", "sata", "nvme", "ide"} {
		for bus := range maxControllers {
			f.readController(&h, kind, bus)
		}
	}
	f.readNICs(&h)
	f.Each(func(key, value string) {
		if low := strings.ToLower(key); strings.HasPrefix(low, "pcipassthru") && strings.HasSuffix(low, ".present") && isTrue(value) {
			h.Passthrough = append(h.Passthrough, strings.TrimSuffix(low, ".present"))
		}
	})
	sort.Strings(h.Passthrough)
	return h, nil
}

func (f *File) number(key string, otherwise int64) int64 {
	text, found := f.Lookup(key)
	if !found {
		return otherwise
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (f *File) readController(h *Hardware, kind string, bus int) {
	name := fmt.Sprintf("%s%d", kind, bus)
	units := 0
	for unit := range maxSCSIUnits {
		if kind == "scsi" && unit == reservedSCSIUnit {
			continue
		}
		if f.readUnit(h, kind, bus, unit, fmt.Sprintf("%s:%d", name, unit)) {
			units++
		}
	}
	present, said := f.Lookup(name + ".present")
	if (said && isTrue(present)) || (!said && units > 0) {
		h.Controllers = append(h.Controllers, Controller{Kind: kind, Bus: bus, Model: strings.ToLower(f.Get(name + ".virtualDev"))})
	}
}

// readUnit reads what hangs at one place of a controller; a place counts as present when it names a file.
func (f *File) readUnit(h *Hardware, kind string, bus, unit int, name string) bool {
	file := f.Get(name + ".fileName")
	present, said := f.Lookup(name + ".present")
	if (said && !isTrue(present)) || (!said && file == "") {
		return false
	}
	deviceType := strings.ToLower(f.Get(name + ".deviceType"))
	if strings.Contains(deviceType, "cdrom") || strings.HasPrefix(deviceType, "atapi") {
		cdrom := CDROM{Kind: kind, Bus: bus, Unit: unit, StartConnected: !strings.EqualFold(f.Get(name+".startConnected"), "FALSE")}
		if deviceType == "cdrom-image" {
			cdrom.File = file
		}
		h.CDROMs = append(h.CDROMs, cdrom)
		return true
	}
	mode := strings.ToLower(f.Get(name + ".mode"))
	if mode == "" {
		mode = "persistent"
	}
	h.Disks = append(h.Disks, Disk{
		Kind: kind, Bus: bus, Unit: unit, File: file, Mode: mode,
	})
	return true
}

func (f *File) readNICs(h *Hardware) {
	for index := range maxNICs {
		name := fmt.Sprintf("ethernet%d", index)
		if !f.True(name + ".present") {
			continue
		}
		nic := NIC{
			Index: index, Model: strings.ToLower(f.Get(name + ".virtualDev")), Network: f.Get(name + ".networkName"),
			Manual:         strings.EqualFold(f.Get(name+".addressType"), "static"),
			StartConnected: !strings.EqualFold(f.Get(name+".startConnected"), "FALSE"),
		}
		nic.MAC = f.Get(name + ".generatedAddress")
		if nic.Manual || nic.MAC == "" {
			if given := f.Get(name + ".address"); given != "" {
				nic.MAC = given
			}
		}
		nic.MAC = strings.ToLower(nic.MAC)
		h.NICs = append(h.NICs, nic)
	}
}

// apiUUID turns "56 4d …-…" of a .vmx into the form of the API.
func apiUUID(text string) string {
	digits := strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(text))
	if len(digits) != 32 {
		return ""
	}
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}

// FileUUID turns a UUID of the API into the form of a .vmx.
func FileUUID(uuid string) string {
	digits := strings.ToLower(strings.ReplaceAll(uuid, "-", ""))
	if len(digits) != 32 {
		return uuid
	}
	var b strings.Builder
	for i := 0; i < 32; i += 2 {
		switch i {
		case 0:
		case 16:
			b.WriteByte('-')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(digits[i : i+2])
	}
	return b.String()
}

// guestID turns "debian11-64" of a .vmx into "debian11_64Guest" of the API.
func guestID(name string) string {
	if name == "" {
		return "otherGuest"
	}
	if strings.HasSuffix(name, "Guest") || strings.HasSuffix(name, "Guest64") {
		return name
	}
	if name == "other-64" {
		return "otherGuest64"
	}
	return strings.ReplaceAll(name, "-64", "_64") + "Guest"
}

// DatastorePath resolves a file that a .vmx names: the datastore and the path in it. directory is where the .vmx lies
// on its datastore.
func DatastorePath(file, datastore, directory string) (inDatastore, inPath string, err error) {
	if !strings.HasPrefix(file, "/") {
		return datastore, path.Join(directory, file), nil
	}
	rest, found := strings.CutPrefix(path.Clean(file), volumes)
	if !found {
		return "", "", fmt.Errorf("%s is not below %s", file, volumes)
	}
	name, inside, found := strings.Cut(rest, "/")
	if !found {
		return "", "", fmt.Errorf("%s names no file", file)
	}
	return name, inside, nil
}
