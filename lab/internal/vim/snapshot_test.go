package vim

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

func needsGuest(t *testing.T) {
	t.Helper()
	if os.Getenv("RUNDIRECT_LAB_GUEST_DISK") == "" {
		t.Skip("RUNDIRECT_LAB_GUEST_DISK is not set: lab/test.sh builds it and sets it")
	}
}

// files lists what a directory of a datastore holds.
func (b *bench) files(datastore, directory string) []string {
	b.Helper()
	entries, err := os.ReadDir(filepath.Join(b.lab.config.Directory, "datastores", datastore, directory))
	if err != nil && !os.IsNotExist(err) {
		b.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (b *bench) hasFiles(datastore, directory string, want bool, names ...string) {
	b.Helper()
	there := b.files(datastore, directory)
	for _, name := range names {
		if slices.Contains(there, name) != want {
			b.Errorf("%s on %s: there %v, wanted %v: %v", name, datastore, !want, want, there)
		}
	}
}

// backings are the file names of a machine's disks, each followed by its parents.
func (b *bench) backings(vm *object.VirtualMachine) string {
	b.Helper()
	var disks []string
	for _, d := range object.VirtualDeviceList(b.properties(vm).Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil)) {
		var layers []string
		for y := d.(*types.VirtualDisk).Backing.(*types.VirtualDiskFlatVer2BackingInfo); y != nil; y = y.Parent {
			layers = append(layers, y.FileName)
		}
		disks = append(disks, strings.Join(layers, " < "))
	}
	return strings.Join(disks, ", ")
}

func (b *bench) ready(vm string) int {
	b.Helper()
	boots, err := b.lab.WaitReady(b.ctx, vm)
	if err != nil {
		b.Fatal(err)
	}
	return boots
}

// startLog lets the guest write numbered lines, and returns once some are acknowledged.
func (b *bench) startLog(vm string) {
	b.Helper()
	b.say(vm, "LOG 20", "OK")
	b.moreLines(vm, 3)
}

// moreLines waits until the guest has acknowledged so many further lines.
func (b *bench) moreLines(vm string, count int) {
	b.Helper()
	before, err := b.lab.Logged(vm)
	if err != nil {
		b.Fatal(err)
	}
	b.eventually("further lines", func() bool {
		now, err := b.lab.Logged(vm)
		return err == nil && len(now) >= len(before)+count
	})
}

// checkLog ends the writing, and sees that every line that was acknowledged is on the guest's disk, read anew.
func (b *bench) checkLog(vm string) {
	b.Helper()
	if reply, err := b.lab.Command(b.ctx, vm, "UNLOG"); err != nil || !strings.HasPrefix(reply, "OK ") {
		b.Fatalf("%q, %v", reply, err)
	}
	acknowledged, err := b.lab.Logged(vm)
	if err != nil {
		b.Fatal(err)
	}
	b.hasLines(vm, acknowledged)
}

func (b *bench) hasLines(vm string, acknowledged []int) {
	b.Helper()
	if reply, err := b.lab.Command(b.ctx, vm, "SHELL echo 3 > /proc/sys/vm/drop_caches"); err != nil || !strings.HasPrefix(reply, "EXIT 0") {
		b.Fatalf("%q, %v", reply, err)
	}
	reply, err := b.lab.Command(b.ctx, vm, "READLOG")
	if err != nil {
		b.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(reply, "DATA "))
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.Fields(string(text))
	for _, n := range acknowledged {
		if n > len(lines) || lines[n-1] != strconv.Itoa(n) {
			b.Fatalf("line %d was acknowledged and is not there: %d lines", n, len(lines))
		}
	}
}

func TestSnapshotAndConsolidateUnderARunningGuest(t *testing.T) {
	needsGuest(t)
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web", Disks: []NewDisk{{SizeMiB: 8, Datastore: "datastore2"}}})
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	b.startLog("web")
	base := filepath.Join(b.lab.config.Directory, "datastores/datastore1/web/web-flat.vmdk")
	info := b.done(vm.CreateSnapshot(b.ctx, "first", "of two", false, true))
	frozen, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	first := info.Result.(types.ManagedObjectReference)
	b.say("web", "DISKWRITE sdb 512 after the first", "OK")
	b.moreLines("web", 3)
	b.done(vm.CreateSnapshot(b.ctx, "second", "", false, false))
	b.moreLines("web", 3)
	if got, want := b.backings(vm), "[datastore1] web/web-000002.vmdk < [datastore1] web/web-000001.vmdk < [datastore1] web/web.vmdk, "+
		"[datastore2] web/web_1-000002.vmdk < [datastore2] web/web_1-000001.vmdk < [datastore2] web/web_1.vmdk"; got != want {
		t.Errorf("disks: %s", got)
	}
	if now, err := os.ReadFile(base); err != nil || !slices.Equal(now, frozen) {
		t.Errorf("the base was written to after the snapshot (%v)", err)
	}
	b.hasFiles("datastore1", "web", true, "web.vmsd", "web-Snapshot1.vmsn", "web-Snapshot2.vmsn", "web-000001.vmdk", "web-000001-sesparse.vmdk")
	p := b.properties(vm)
	tree := p.Snapshot.RootSnapshotList
	if len(tree) != 1 || tree[0].Name != "first" || tree[0].Description != "of two" || len(tree[0].ChildSnapshotList) != 1 ||
		tree[0].ChildSnapshotList[0].Name != "second" || *p.Snapshot.CurrentSnapshot != tree[0].ChildSnapshotList[0].Snapshot {
		t.Errorf("%+v", p.Snapshot)
	}

	reply, err := methods.RemoveSnapshot_Task(b.ctx, b.client.Client, &types.RemoveSnapshot_Task{This: first})
	if err != nil {
		t.Fatal(err)
	}
	b.done(object.NewTask(b.client.Client, reply.Returnval), nil)
	if got, want := b.backings(vm), "[datastore1] web/web-000002.vmdk < [datastore1] web/web.vmdk, [datastore2] web/web_1-000002.vmdk < [datastore2] web/web_1.vmdk"; got != want {
		t.Errorf("disks: %s", got)
	}
	b.hasFiles("datastore1", "web", false, "web-000001.vmdk", "web-000001-sesparse.vmdk", "web-Snapshot1.vmsn")
	b.moreLines("web", 3)
	b.done(vm.RemoveAllSnapshot(b.ctx, nil))
	if got, want := b.backings(vm), "[datastore1] web/web.vmdk, [datastore2] web/web_1.vmdk"; got != want {
		t.Errorf("disks: %s", got)
	}
	if p := b.properties(vm); p.Snapshot != nil || p.RootSnapshot != nil || p.Runtime.ConsolidationNeeded {
		t.Errorf("%+v", p.Snapshot)
	}
	b.moreLines("web", 3)
	b.checkLog("web")
	b.say("web", "BOOTS", "BOOTS 1")
	acknowledged, _ := b.lab.Logged("web")
	b.done(vm.PowerOff(b.ctx))
	b.done(vm.PowerOn(b.ctx)) // from the bases alone
	if boots := b.ready("web"); boots != 2 {
		t.Errorf("boots %d", boots)
	}
	b.hasLines("web", acknowledged)
	b.say("web", "DISKREAD sdb 512 15", "DATA "+base64.StdEncoding.EncodeToString([]byte("after the first")))
	b.done(vm.PowerOff(b.ctx))
	for _, ds := range []string{"datastore1", "datastore2"} {
		for _, name := range b.files(ds, "web") {
			if strings.Contains(name, "-0000") || strings.HasSuffix(name, ".vmsn") {
				t.Errorf("left: %s", name)
			}
		}
	}
}

func TestSnapshotsOfAMachineThatIsOff(t *testing.T) {
	needsGuest(t)
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	b.done(vm.CreateSnapshot(b.ctx, "off", "", false, false))
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	b.startLog("web")
	b.done(vm.CreateSnapshot(b.ctx, "on", "", false, false))
	b.moreLines("web", 3)
	b.checkLog("web")
	acknowledged, _ := b.lab.Logged("web")
	b.done(vm.PowerOff(b.ctx))
	if err := vm.Unregister(b.ctx); err != nil {
		t.Fatal(err)
	}
	info, err := b.register("[datastore1] web/web.vmx", "web")
	if err != nil {
		t.Fatal(err)
	}
	vm = object.NewVirtualMachine(b.client.Client, info.Result.(types.ManagedObjectReference))
	if s := b.properties(vm).Snapshot; s == nil || s.RootSnapshotList[0].Name != "off" || s.RootSnapshotList[0].ChildSnapshotList[0].Name != "on" {
		t.Fatalf("the snapshots did not come back with the files: %+v", s)
	}
	b.done(vm.RemoveAllSnapshot(b.ctx, nil))
	if got := b.backings(vm); got != "[datastore1] web/web.vmdk" {
		t.Error(got)
	}
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	b.hasLines("web", acknowledged)
	b.done(vm.PowerOff(b.ctx))
}

func TestWhatDoesNotFitIsNotOpened(t *testing.T) {
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	b.done(vm.CreateSnapshot(b.ctx, "s", "", false, false))
	base := filepath.Join(b.lab.config.Directory, "datastores/datastore1/web/web.vmdk")
	d, err := vmx.ReadDescriptor(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := vmx.EditDescriptor(base, map[string]string{"CID": "12345678"}); err != nil {
		t.Fatal(err)
	}
	_, err = b.outcome(vm.PowerOn(b.ctx))
	b.wants("GenericVmConfigFault", err)
	if err := vmx.EditDescriptor(base, map[string]string{"CID": d.CID}); err != nil {
		t.Fatal(err)
	}
	b.done(vm.PowerOn(b.ctx))

	// A machine that shares the base may run beside it, one that writes to it may not.
	folder := filepath.Join(b.lab.config.Directory, "datastores/datastore1")
	for name, disk := range map[string]string{"writer": "web.vmdk", "child": "web-000001.vmdk"} {
		other := b.make(NewMachine{Name: name, Extra: map[string]string{"scsi0:0.fileName": "/vmfs/volumes/datastore1/web/" + disk}})
		_, err := b.outcome(other.PowerOn(b.ctx))
		b.wants("FileLocked", err)
	}
	_ = os.Remove(filepath.Join(folder, "none"))
	b.done(vm.PowerOff(b.ctx))
}
