package vmx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `.encoding = "UTF-8"
config.version = "8"
displayName = "db |22one|22"
guestOS = "debian11-64"
memsize = "2048"
numvcpus = "2"
scsi0.present = "TRUE"
scsi0.virtualDev = "pvscsi"
scsi0:0.fileName = "db.vmdk"
scsi0:0.present = "TRUE"
scsi0:8.fileName = "/vmfs/volumes/datastore2/db/db_1.vmdk"
scsi0:8.mode = "independent-persistent"
scsi0:9.fileName = "removed.vmdk"
scsi0:9.present = "FALSE"
ide1:0.present = "TRUE"
ide1:0.deviceType = "cdrom-image"
ide1:0.fileName = "/vmfs/volumes/iso/x.iso"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.generatedAddress = "00:0C:29:AA:BB:CC"
ethernet0.startConnected = "FALSE"
pciPassthru0.present = "TRUE"
uuid.bios = "56 4d 00 01 02 03 04 05-06 07 08 09 0a 0b 0c 0d"
rundirect.session = "s-1"
`

func TestHardware(t *testing.T) {
	f, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	h, err := f.Hardware()
	if err != nil {
		t.Fatal(err)
	}
	if h.Name != `db "one"` || h.GuestID != "debian11_64Guest" || h.MemoryMiB != 2048 || h.CPUs != 2 {
		t.Errorf("%+v", h)
	}
	if h.BIOSUUID != "564d0001-0203-0405-0607-08090a0b0c0d" || FileUUID(h.BIOSUUID) != f.Get("uuid.bios") {
		t.Errorf("uuid %s, %s", h.BIOSUUID, FileUUID(h.BIOSUUID))
	}
	if len(h.Disks) != 2 || h.Disks[1].Unit != 8 || h.Disks[1].Mode != "independent-persistent" {
		t.Errorf("disks %+v", h.Disks)
	}
	if len(h.CDROMs) != 1 || h.CDROMs[0].File == "" || len(h.Passthrough) != 1 {
		t.Errorf("%+v %+v", h.CDROMs, h.Passthrough)
	}
	if n := h.NICs[0]; n.MAC != "00:0c:29:aa:bb:cc" || n.StartConnected || n.Manual {
		t.Errorf("nic %+v", n)
	}
	ds, path, err := DatastorePath(h.Disks[1].File, "datastore1", "db")
	if err != nil || ds != "datastore2" || path != "db/db_1.vmdk" {
		t.Errorf("%s %s %v", ds, path, err)
	}
	if _, _, err := DatastorePath("/etc/passwd", "datastore1", "db"); err == nil {
		t.Error("a path outside of all datastores was taken")
	}
}

func TestRoundTripAndWrite(t *testing.T) {
	f, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	f.Set("DISPLAYNAME", "line\nbreak | \"quote\"")
	f.Remove("rundirect.session")
	file := filepath.Join(t.TempDir(), "x.vmx")
	if err := f.Write(file); err != nil {
		t.Fatal(err)
	}
	again, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if again.Text() != f.Text() || again.Get("displayName") != "line\nbreak | \"quote\"" {
		t.Errorf("\n%s\n%s", again.Text(), f.Text())
	}
	if _, there := again.Lookup("rundirect.session"); there {
		t.Error("a removed key is there")
	}
	if _, err := os.Stat(file + "~"); err == nil {
		t.Error("the file beside is left")
	}
}

func TestMalformed(t *testing.T) {
	for _, text := range []string{"no equals sign", "memsize = \"lots\"", "numvcpus = \"0\""} {
		f, err := Parse(text)
		if err == nil {
			_, err = f.Hardware()
		}
		if err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestDescriptor(t *testing.T) {
	uuid := [16]byte{0x60, 0x00, 0xc2, 0x9a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	text := NewDescriptor("a b-flat.vmdk", 3<<30, uuid, 0xfffffffe)
	d, err := ParseDescriptor(text)
	if err != nil {
		t.Fatal(err)
	}
	if d.CapacityBytes() != 3<<30 || !d.Thin() || d.Raw("/x") != "/x/a b-flat.vmdk" || d.UUID() != "6000c29a-0102-0304-0506-0708090a0b0c" {
		t.Errorf("%+v %s", d, d.UUID())
	}
	for _, broken := range []string{"", "KDMV", strings.Replace(text, "RW ", "RX ", 1)} {
		if _, err := ParseDescriptor(broken); err == nil {
			t.Errorf("%.30q was taken", broken)
		}
	}
}
