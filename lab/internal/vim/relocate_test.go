package vim

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const anyPriority = types.VirtualMachineMovePriorityDefaultPriority

// to is a relocation of everything to a datastore.
func (b *bench) to(datastore string) types.VirtualMachineRelocateSpec {
	b.Helper()
	ds, err := b.finder.Datastore(b.ctx, datastore)
	if err != nil {
		b.Fatal(err)
	}
	ref := ds.Reference()
	return types.VirtualMachineRelocateSpec{Datastore: &ref}
}

func (b *bench) taskInfo(task *object.Task) types.TaskInfo {
	b.Helper()
	var t mo.Task
	if err := property.DefaultCollector(b.client.Client).RetrieveOne(b.ctx, task.Reference(), []string{"info"}, &t); err != nil {
		b.Fatal(err)
	}
	return t.Info
}

// obstacles is what CheckRelocate_Task finds.
func (b *bench) obstacles(vm *object.VirtualMachine, spec types.VirtualMachineRelocateSpec) string {
	b.Helper()
	results, err := object.NewVmProvisioningChecker(b.client.Client).CheckRelocate(b.ctx, vm.Reference(), spec)
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, r := range results {
		for _, e := range r.Error {
			names = append(names, faultName(&localizedError{e}))
		}
	}
	return strings.Join(names, ",")
}

type localizedError struct{ types.LocalizedMethodFault }

func (e *localizedError) Error() string                { return e.LocalizedMessage }
func (e *localizedError) Fault() types.BaseMethodFault { return e.LocalizedMethodFault.Fault }

func TestRelocateUnderARunningGuest(t *testing.T) {
	needsGuest(t)
	b := start(t, "vcenter")
	vm := b.make(NewMachine{Name: "web", Disks: []NewDisk{{SizeMiB: 8}, {SizeMiB: 4, Datastore: "datastore2"}}})
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	qemu := b.lab.Machines()[0].QEMU
	b.say("web", "DISKWRITE sdb 4096 moved along", "OK")
	b.startLog("web")
	if err := b.lab.SetStorageRate(8 << 20); err != nil {
		t.Fatal(err)
	}
	spec := b.to("datastore2")
	if got := b.obstacles(vm, spec); got != "" {
		t.Errorf("in the way: %s", got)
	}
	hosts, err := b.finder.HostSystemList(b.ctx, "*")
	if err != nil {
		t.Fatal(err)
	}
	other := hosts[1].Reference()
	spec.Host = &other
	task, err := vm.Relocate(b.ctx, spec, anyPriority)
	if err != nil {
		t.Fatal(err)
	}
	b.eventually("progress between the ends", func() bool {
		p := b.taskInfo(task).Progress
		return p > 0 && p < 100
	})
	b.done(task, nil)
	b.moreLines("web", 3)
	p := b.properties(vm)
	if p.Config.Files.VmPathName != "[datastore2] web_1/web.vmx" && p.Config.Files.VmPathName != "[datastore2] web/web.vmx" {
		t.Error(p.Config.Files.VmPathName)
	}
	if got, want := b.backings(vm), "[datastore2] web_1/web.vmdk, [datastore2] web_1/web_1.vmdk, [datastore2] web/web_2.vmdk"; got != want {
		t.Errorf("disks: %s", got)
	}
	if *p.Runtime.Host != other || len(p.Datastore) != 1 {
		t.Errorf("on %v, with %v", p.Runtime.Host, p.Datastore)
	}
	if left := b.files("datastore1", ""); len(left) != 0 {
		t.Errorf("left at the source: %v, %v", left, b.files("datastore1", "web"))
	}
	b.hasFiles("datastore2", "web_1", true, "web.vmx", "web.vmx.lck", "web.nvram", "vmware.log", "web.vmdk", "web-flat.vmdk")
	if now := b.lab.Machines()[0].QEMU; now != qemu {
		t.Errorf("another process runs the guest: %d, was %d", now, qemu)
	}
	b.checkLog("web")
	b.say("web", "BOOTS", "BOOTS 1")
	acknowledged, _ := b.lab.Logged("web")
	b.done(vm.PowerOff(b.ctx))
	b.hasFiles("datastore2", "web_1", false, "web.vmx.lck")
	b.done(vm.PowerOn(b.ctx))
	if boots := b.ready("web"); boots != 2 {
		t.Errorf("boots %d", boots)
	}
	b.hasLines("web", acknowledged)
	b.say("web", "DISKREAD sdb 4096 11", "DATA "+base64.StdEncoding.EncodeToString([]byte("moved along")))
	b.done(vm.PowerOff(b.ctx))
}

func TestARelocationThatIsCancelledLeavesAllAsItWas(t *testing.T) {
	needsGuest(t)
	b := start(t, "vcenter")
	vm := b.make(NewMachine{Name: "web"})
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	b.startLog("web")
	before := b.files("datastore1", "web")
	if err := b.lab.SetStorageRate(1 << 20); err != nil {
		t.Fatal(err)
	}
	task, err := vm.Relocate(b.ctx, b.to("datastore2"), anyPriority)
	if err != nil {
		t.Fatal(err)
	}
	b.eventually("half way", func() bool { return b.taskInfo(task).Progress > 0 })
	// By that name it is found by who comes back to it.
	if id := b.taskInfo(task).DescriptionId; id != "VirtualMachine.relocate" {
		t.Errorf("the task is a %s", id)
	}
	_, err = b.outcome(vm.PowerOff(b.ctx))
	b.wants("TaskInProgress", err)
	if err := task.Cancel(b.ctx); err != nil {
		t.Fatal(err)
	}
	_, err = b.outcome(task, nil)
	b.wants("RequestCanceled", err)
	b.wants("InvalidState", task.Cancel(b.ctx))
	if left := b.files("datastore2", ""); len(left) != 0 {
		t.Errorf("left at the target: %v", left)
	}
	if after := b.files("datastore1", "web"); !slices.Equal(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
	b.moreLines("web", 3)
	b.checkLog("web")

	for name, obstruct := range map[string]func(bool) error{
		"NoDiskSpace": func(in bool) error {
			return b.lab.SetFreeSpace("datastore2", map[bool]int64{true: 1 << 20, false: -1}[in])
		},
		"StorageVMotionNotSupported": func(in bool) error {
			b.lab.SetVMotion(!in)
			return nil
		},
	} {
		if err := obstruct(true); err != nil {
			t.Fatal(err)
		}
		if got := b.obstacles(vm, b.to("datastore2")); got != name {
			t.Errorf("in the way: %q, wanted %s", got, name)
		}
		_, err = b.outcome(vm.Relocate(b.ctx, b.to("datastore2"), anyPriority))
		b.wants(name, err)
		if err := obstruct(false); err != nil {
			t.Fatal(err)
		}
	}
	b.say("web", "BOOTS", "BOOTS 1")
	if left := b.files("datastore2", ""); len(left) != 0 {
		t.Errorf("left at the target: %v", left)
	}
	b.done(vm.PowerOff(b.ctx))
}

func TestRelocateAMachineThatIsOff(t *testing.T) {
	b := start(t, "vcenter")
	vm := b.make(NewMachine{Name: "web", Disks: []NewDisk{{SizeMiB: 4}}})
	b.lab.SetVMotion(false) // is not asked for a machine that is off
	flat := filepath.Join(b.lab.config.Directory, "datastores/datastore1/web/web_1-flat.vmdk")
	if err := os.WriteFile(flat, append([]byte("bytes of the disk"), make([]byte, 4<<20-17)...), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := types.VirtualMachineRelocateSpec{Disk: []types.VirtualMachineRelocateSpecDiskLocator{
		{DiskId: diskKey + 1, Datastore: *b.to("datastore2").Datastore},
	}}
	b.done(vm.Relocate(b.ctx, spec, anyPriority))
	if got, want := b.backings(vm), "[datastore1] web/web.vmdk, [datastore2] web/web_1.vmdk"; got != want {
		t.Errorf("disks: %s", got)
	}
	b.hasFiles("datastore1", "web", false, "web_1.vmdk", "web_1-flat.vmdk")
	b.done(vm.CreateSnapshot(b.ctx, "s", "", false, false))
	_, err := b.outcome(vm.Relocate(b.ctx, b.to("datastore2"), anyPriority))
	b.wants("NotSupported", err)
	spec = b.to("datastore1")
	spec.DiskMoveType = string(types.VirtualMachineRelocateDiskMoveOptionsMoveAllDiskBackingsAndConsolidate)
	b.done(vm.RemoveAllSnapshot(b.ctx, nil))
	b.done(vm.Relocate(b.ctx, spec, anyPriority))
	if got, want := b.backings(vm), "[datastore1] web/web.vmdk, [datastore1] web_1/web_1.vmdk"; got != want {
		t.Errorf("disks: %s", got)
	}
	if left := b.files("datastore2", ""); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	moved, err := os.ReadFile(filepath.Join(b.lab.config.Directory, "datastores/datastore1/web_1/web_1-flat.vmdk"))
	if err != nil || !strings.HasPrefix(string(moved), "bytes of the disk") || len(moved) != 4<<20 {
		t.Errorf("%d bytes, %v", len(moved), err)
	}
	b.done(vm.PowerOn(b.ctx))
	b.done(vm.PowerOff(b.ctx))
}
