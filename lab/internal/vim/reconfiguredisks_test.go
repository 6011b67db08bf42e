package vim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// looseDisk is a disk in a machine's folder that no machine has.
func (b *bench) looseDisk(vm, name string) string {
	b.Helper()
	other := b.make(NewMachine{Name: "donor-" + name, Disks: []NewDisk{{SizeMiB: 4}}})
	path := "[datastore1] " + vm + "/" + name + ".vmdk"
	manager := object.NewVirtualDiskManager(b.client.Client)
	dc, err := b.finder.DefaultDatacenter(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	spec := &types.VirtualDiskSpec{DiskType: "thin", AdapterType: "lsiLogic"}
	b.done(manager.CopyVirtualDisk(b.ctx, "[datastore1] donor-"+name+"/donor-"+name+"_1.vmdk", dc, path, dc, spec, false))
	b.done(other.Destroy(b.ctx))
	return path
}

func change(operation types.VirtualDeviceConfigSpecOperation, device types.BaseVirtualDevice) *types.VirtualDeviceConfigSpec {
	return &types.VirtualDeviceConfigSpec{Operation: operation, Device: device}
}

func diskAt(path string, controller, unit int32) *types.VirtualDeviceConfigSpec {
	return change(types.VirtualDeviceConfigSpecOperationAdd, &types.VirtualDisk{VirtualDevice: types.VirtualDevice{
		Key: -1, ControllerKey: controller, UnitNumber: types.NewInt32(unit),
		Backing: &types.VirtualDiskFlatVer2BackingInfo{
			VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: path}, DiskMode: "persistent",
		},
	}, CapacityInKB: 4096})
}

func removal(key int32, destroy bool) *types.VirtualDeviceConfigSpec {
	spec := change(types.VirtualDeviceConfigSpecOperationRemove, &types.VirtualDisk{VirtualDevice: types.VirtualDevice{Key: key}})
	if destroy {
		spec.FileOperation = types.VirtualDeviceConfigSpecFileOperationDestroy
	}
	return spec
}

func (b *bench) reconfigure(vm *object.VirtualMachine, changes ...types.BaseVirtualDeviceConfigSpec) error {
	b.Helper()
	_, err := b.outcome(vm.Reconfigure(b.ctx, types.VirtualMachineConfigSpec{DeviceChange: changes}))
	return err
}

func (b *bench) config(vm string) *vmx.File {
	b.Helper()
	file, err := vmx.Read(filepath.Join(b.lab.config.Directory, "datastores/datastore1", vm, vm+".vmx"))
	if err != nil {
		b.Fatal(err)
	}
	return file
}

func TestDisksComeAndGoWhileTheMachineIsOff(t *testing.T) {
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	path := b.looseDisk("web", "extra")
	if err := b.reconfigure(vm, diskAt(path, scsiKey, 3)); err != nil {
		t.Fatal(err)
	}
	if got := b.backings(vm); got != "[datastore1] web/web.vmdk, "+path {
		t.Error(got)
	}
	if file := b.config("web"); file.Get("scsi0:3.fileName") != "extra.vmdk" || !file.True("scsi0:3.present") {
		t.Error(file.Text())
	}
	b.wants("InvalidDeviceSpec", b.reconfigure(vm, diskAt(path, scsiKey, 4))) // it has it already
	b.done(vm.CreateSnapshot(b.ctx, "s", "", false, false))
	b.wants("InvalidState", b.reconfigure(vm, removal(diskKey+3, true)))
	b.done(vm.RemoveAllSnapshot(b.ctx, nil))
	if err := b.reconfigure(vm, removal(diskKey+3, false)); err != nil {
		t.Fatal(err)
	}
	b.hasFiles("datastore1", "web", true, "extra.vmdk", "extra-flat.vmdk")
	if text := b.config("web").Text(); strings.Contains(text, "scsi0:3") {
		t.Error(text)
	}
	if err := b.reconfigure(vm, diskAt(path, scsiKey, 3)); err != nil {
		t.Fatal(err)
	}
	if err := b.reconfigure(vm, removal(diskKey+3, true)); err != nil {
		t.Fatal(err)
	}
	b.hasFiles("datastore1", "web", false, "extra.vmdk", "extra-flat.vmdk")
	if got := b.backings(vm); got != "[datastore1] web/web.vmdk" {
		t.Error(got)
	}
}

func TestWhereADiskCanNotHang(t *testing.T) {
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	path := b.looseDisk("web", "extra")
	before := b.config("web").Text()
	for what, spec := range map[string]types.BaseVirtualDeviceConfigSpec{
		"a taken place": diskAt(path, scsiKey, 0), "the controller's own": diskAt(path, scsiKey, scsiOwnUnit), "beyond": diskAt(path, scsiKey, scsiPerBus),
		"no controller": diskAt(path, scsiKey+1, 0), "no disk": removal(diskKey+5, false),
	} {
		if err := b.reconfigure(vm, spec); faultName(err) != "InvalidDeviceSpec" {
			t.Errorf("%s: %v", what, err)
		}
	}
	b.wants("FileNotFound", b.reconfigure(vm, diskAt("[datastore1] web/none.vmdk", scsiKey, 1)))
	b.wants("InvalidDatastore", b.reconfigure(vm, diskAt("[none] web/none.vmdk", scsiKey, 1)))
	if after := b.config("web").Text(); after != before {
		t.Errorf("the .vmx was changed: %s", after)
	}
}

func TestDisksComeAndGoUnderARunningGuest(t *testing.T) {
	needsGuest(t)
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	path, second := b.looseDisk("web", "extra"), b.looseDisk("web", "second")
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	if err := b.reconfigure(vm, diskAt(path, scsiKey, 1)); err != nil {
		t.Fatal(err)
	}
	b.sees("sda:41943040 sdb:4194304")
	b.say("web", "DISKWRITE sdb 512 hot", "OK")

	// Whoever else wants it has to wait.
	other := b.make(NewMachine{Name: "other"})
	b.wants("FileLocked", b.reconfigure(other, diskAt(path, scsiKey, 1)))

	// With a controller of its own.
	controller := &types.ParaVirtualSCSIController{VirtualSCSIController: types.VirtualSCSIController{
		VirtualController: types.VirtualController{VirtualDevice: types.VirtualDevice{Key: -100}, BusNumber: 1},
		SharedBus:         types.VirtualSCSISharingNoSharing,
	}}
	err := b.reconfigure(vm, change(types.VirtualDeviceConfigSpecOperationAdd, controller), diskAt(second, -100, 0))
	if err != nil {
		t.Fatal(err)
	}
	b.sees("sda:41943040 sdb:4194304 sdc:4194304")
	b.say("web", "DISKWRITE sdc 0 own", "OK")
	if file := b.config("web"); file.Get("scsi1.virtualDev") != "pvscsi" || file.Get("scsi1:0.fileName") != "second.vmdk" {
		t.Error(file.Text())
	}

	if err := b.reconfigure(vm, removal(diskKey+1, false)); err != nil {
		t.Fatal(err)
	}
	b.sees("sda:41943040 sdb:4194304")
	if err := b.reconfigure(other, diskAt(path, scsiKey, 1)); err != nil {
		t.Fatal(err) // nobody has it open any more
	}
	flat := filepath.Join(b.lab.config.Directory, "datastores/datastore1/web/extra-flat.vmdk")
	if data, err := os.ReadFile(flat); err != nil || string(data[512:515]) != "hot" {
		t.Errorf("what the guest wrote is not in the file: %v", err)
	}
	b.done(vm.PowerOff(b.ctx))
	b.done(vm.PowerOn(b.ctx)) // as the .vmx says
	if boots := b.ready("web"); boots != 2 {
		t.Errorf("boots %d", boots)
	}
	b.sees("sda:41943040 sdb:4194304")
	b.done(vm.PowerOff(b.ctx))
}

// sees waits until the guest has just these disks.
func (b *bench) sees(disks string) {
	b.Helper()
	var last string
	b.eventually("disks "+disks, func() bool {
		reply, err := b.lab.Command(b.ctx, "web", "DISKS")
		last = strings.TrimPrefix(strings.TrimSpace(reply), "DISKS ")
		return err == nil && last == disks
	})
}
