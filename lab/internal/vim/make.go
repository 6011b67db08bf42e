package vim

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// NewMachine says what machine to make from the lab's guest image.
type NewMachine struct {
	Name      string `json:"name"`
	MemoryMiB int    `json:"memoryMiB"`
	// Datastore is where the .vmx and the boot disk lie; datastore1 unless said.
	Datastore string `json:"datastore"`
	// Disks are further, empty disks.
	Disks []NewDisk `json:"disks"`
	MAC   string    `json:"mac"`
	// Bootable is false for a machine that never comes up: its boot disk is empty.
	Bootable *bool `json:"bootable"`
	// Extra are further .vmx keys, or other values for those that the lab writes.
	Extra map[string]string `json:"extra"`
}

// NewDisk is an empty thin disk.
type NewDisk struct {
	Datastore string `json:"datastore"`
	SizeMiB   int64  `json:"sizeMiB"`
}

const (
	defaultMemoryMiB = 256
	maxDiskMiB       = 64 << 20
	copyBlockBytes   = 1 << 20
)

var machineName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}$`)

// Make writes a machine's folder as ESXi would have and registers it with the first host.
func (l *Lab) Make(spec NewMachine) (MachineView, error) {
	if !machineName.MatchString(spec.Name) {
		return MachineView{}, fmt.Errorf("a lab machine is named with up to 80 of A-Z, a-z, 0-9, space, . _ and -; not %q", spec.Name)
	}
	spec.Datastore = firstOf(spec.Datastore, ProductionDatastores[0])
	if spec.MemoryMiB == 0 {
		spec.MemoryMiB = defaultMemoryMiB
	}
	host := l.firstHost()
	config, found := l.locate(host.Self, spec.Datastore, filepath.Join(spec.Name, spec.Name+".vmx"))
	if !found {
		return MachineView{}, fmt.Errorf("the host has no datastore %s", spec.Datastore)
	}
	config = config.inNewNamespace()
	if err := os.Mkdir(filepath.Dir(config.local), 0o755); err != nil {
		return MachineView{}, err
	}
	if err := config.nameNamespace(); err != nil {
		return MachineView{}, err
	}
	file, err := l.writeMachine(host, config, spec)
	if err == nil {
		err = file.Write(config.local)
	}
	if err != nil {
		_ = os.RemoveAll(filepath.Dir(config.local))
		return MachineView{}, err
	}
	return l.registerMade(host, config)
}

func (l *Lab) firstHost() *simulator.HostSystem {
	hosts := l.hosts()
	first := hosts[0]
	for _, h := range hosts {
		if h.Self.Value < first.Self.Value {
			first = h
		}
	}
	return first
}

// writeMachine makes the disks and the .vmx in memory.
func (l *Lab) writeMachine(host *simulator.HostSystem, config place, spec NewMachine) (*vmx.File, error) {
	uuid := randomHex(16)
	f, err := vmx.Parse(fmt.Sprintf(`config.version = "8"
virtualHW.version = "19"
nvram = "%[1]s.nvram"
displayName = "%[1]s"
guestOS = "debian11-64"
memsize = "%[2]d"
numvcpus = "1"
firmware = "bios"
uuid.bios = "%[3]s"
uuid.location = "%[4]s"
vc.uuid = "%[5]s"
tools.syncTime = "FALSE"
pciBridge0.present = "TRUE"
svga.present = "TRUE"
scsi0.present = "TRUE"
scsi0.virtualDev = "pvscsi"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.networkName = "VM Network"
ethernet0.addressType = "generated"
ethernet0.generatedAddress = "%[6]s"
ethernet0.startConnected = "TRUE"
`, spec.Name, spec.MemoryMiB, vmx.FileUUID(uuid), vmx.FileUUID(l.location(config)), vmx.FileUUID(randomHex(16)),
		firstOf(spec.MAC, generateMAC(uuid, 0))))
	if err != nil {
		return nil, err
	}
	if spec.MAC != "" {
		f.Set("ethernet0.addressType", "static")
		f.Remove("ethernet0.generatedAddress")
		f.Set("ethernet0.address", strings.ToLower(spec.MAC))
	}
	if err := os.WriteFile(config.beside(spec.Name+".nvram").local, make([]byte, 8684), 0o644); err != nil {
		return nil, err
	}
	if err := l.makeBootDisk(f, config, spec); err != nil {
		return nil, err
	}
	for i, d := range spec.Disks {
		if err := l.makeDisk(f, host, config, spec.Name, i+1, d); err != nil {
			return nil, err
		}
	}
	for key, value := range spec.Extra {
		f.Set(key, value)
	}
	return f, nil
}

func (l *Lab) makeBootDisk(f *vmx.File, config place, spec NewMachine) error {
	info, err := os.Stat(l.config.GuestDisk)
	if err != nil {
		return fmt.Errorf("the lab's guest image: %w", err)
	}
	at := config.beside(spec.Name + ".vmdk")
	flat, err := writeDescriptor(at, info.Size())
	if err != nil {
		return err
	}
	attach(f, 0, filepath.Base(at.path))
	if spec.Bootable != nil && !*spec.Bootable {
		return makeSparse(flat, info.Size())
	}
	return copySparse(l.config.GuestDisk, flat)
}

func (l *Lab) makeDisk(f *vmx.File, host *simulator.HostSystem, config place, name string, number int, d NewDisk) error {
	if d.SizeMiB < 1 || d.SizeMiB > maxDiskMiB {
		return fmt.Errorf("a disk has 1 to %d MiB, not %d", maxDiskMiB, d.SizeMiB)
	}
	fileName := fmt.Sprintf("%s_%d.vmdk", name, number)
	at, written := config.beside(fileName), fileName
	if d.Datastore != "" && d.Datastore != config.datastore.Name {
		var found bool
		at, found = l.locate(host.Self, d.Datastore, filepath.Join(name, fileName))
		if !found {
			return fmt.Errorf("the host has no datastore %s", d.Datastore)
		}
		if !exists(filepath.Dir(at.local)) {
			at = at.inNewNamespace()
			if err := errors.Join(os.MkdirAll(filepath.Dir(at.local), 0o755), at.nameNamespace()); err != nil {
				return err
			}
		}
		written = "/vmfs/volumes/" + d.Datastore + "/" + at.path
	}
	flat, err := writeDescriptor(at, d.SizeMiB<<20)
	if err != nil {
		return err
	}
	attach(f, number, written)
	return makeSparse(flat, d.SizeMiB<<20)
}

const flatSuffix = "-flat.vmdk"

func flatOf(descriptor string) string { return strings.TrimSuffix(descriptor, ".vmdk") + flatSuffix }

// newData is where a new disk's bytes go: as its descriptor names them, and on this machine.
func (p place) newData(suffix string) (extent, local string) {
	if p.objects != "" {
		id := newObject()
		return vmx.ObjectScheme + id, filepath.Join(p.objects, id)
	}
	name := strings.TrimSuffix(filepath.Base(p.local), ".vmdk") + suffix
	return name, p.beside(name).local
}

// attach hangs a disk on scsi0, past the controller's own unit 7.
func attach(f *vmx.File, number int, file string) {
	unit := number
	if unit >= scsiOwnUnit {
		unit++
	}
	name := fmt.Sprintf("scsi0:%d", unit)
	f.Set(name+".present", "TRUE")
	f.Set(name+".deviceType", "scsi-hardDisk")
	f.Set(name+".fileName", file)
}

// writeDescriptor says which file is to hold the bytes.
func writeDescriptor(at place, capacityBytes int64) (flat string, err error) {
	var uuid [16]byte
	_, _ = rand.Read(uuid[:])
	copy(uuid[:], []byte{0x60, 0x00, 0xc2, 0x9a}) // the prefix of disks that VMware made
	extent, flat := at.newData(flatSuffix)
	text := vmx.NewDescriptor(extent, capacityBytes, uuid, newContentID())
	return flat, os.WriteFile(at.local, []byte(text), 0o644)
}

// newContentID is any number but the one that says that a disk has no parent.
func newContentID() uint32 {
	var cid [4]byte
	_, _ = rand.Read(cid[:])
	return binary.BigEndian.Uint32(cid[:]) & 0xfffffffe
}

func makeSparse(file string, sizeBytes int64) error {
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return err
	}
	return os.Truncate(file, sizeBytes)
}

// copySparse copies a disk and leaves holes where it is zero.
func copySparse(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	size, err := copyBlocks(in, out)
	return errors.Join(err, out.Truncate(size), out.Close())
}

func copyBlocks(in io.Reader, out io.WriterAt) (int64, error) {
	block, empty := make([]byte, copyBlockBytes), make([]byte, copyBlockBytes)
	for offset := int64(0); ; {
		n, err := io.ReadFull(in, block)
		if n > 0 && string(block[:n]) != string(empty[:n]) {
			if _, err := out.WriteAt(block[:n], offset); err != nil {
				return offset, err
			}
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return offset, nil
		}
		if err != nil {
			return offset, err
		}
	}
}

func (l *Lab) registerMade(host *simulator.HostSystem, config place) (MachineView, error) {
	compute := l.computeResource(host.Self)
	folder := l.vmFolder()
	l.registering.Lock()
	ref, fault := l.register(l.context(), folder, &types.RegisterVM_Task{
		This: folder.Self, Path: config.dsPath(), Pool: compute.ResourcePool, Host: &host.Self,
	})
	l.registering.Unlock()
	if fault != nil {
		return MachineView{}, errors.New(message(fault))
	}
	return l.view(l.machine(ref.(types.ManagedObjectReference))), nil
}

func (l *Lab) vmFolder() *simulator.Folder {
	for _, e := range l.registry.All("Datacenter") {
		if f, ok := l.registry.Get(e.(*simulator.Datacenter).VmFolder).(*simulator.Folder); ok {
			return f
		}
	}
	return nil
}

// Move moves a machine that is powered off to another production datastore, as a person would in the vSphere Client.
func (l *Lab) Move(name, datastore string) (MachineView, error) {
	m, err := l.find(name)
	if err != nil {
		return MachineView{}, err
	}
	if !m.busy.TryLock() {
		return MachineView{}, fmt.Errorf("a task on %s is in progress", name)
	}
	defer m.busy.Unlock()
	vm := l.registry.Get(m.self).(*simulator.VirtualMachine)
	if m.running() != nil {
		return MachineView{}, fmt.Errorf("%s is powered on", name)
	}
	directory := filepath.Base(filepath.Dir(m.config.local))
	to, found := l.locate(m.host, datastore, filepath.Join(directory, filepath.Base(m.config.local)))
	if !found || to.network {
		return MachineView{}, fmt.Errorf("the host has no production datastore %s", datastore)
	}
	if to.objects != "" || m.config.objects != "" {
		return MachineView{}, fmt.Errorf("files of a vSAN can't be moved by hand: relocate the machine")
	}
	if err := m.moveFiles(to); err != nil {
		return MachineView{}, err
	}
	m.showStorage(l.context(), vm)
	return l.view(m), nil
}

// moveFiles copies everything that the machine's folder holds, disks of other folders among them, and removes the old.
func (m *machine) moveFiles(to place) error {
	from := filepath.Dir(m.config.local)
	if err := os.MkdirAll(filepath.Dir(to.local), 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			if err := copySparse(filepath.Join(from, e.Name()), filepath.Join(filepath.Dir(to.local), e.Name())); err != nil {
				return err
			}
		}
	}
	m.deleteFiles()
	m.mu.Lock()
	m.config = to
	m.mu.Unlock()
	m.file.Set("uuid.location", vmx.FileUUID(m.lab.location(to)))
	return m.file.Write(to.local)
}
