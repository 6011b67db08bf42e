package vim

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

func thinDisk(adapter string) *types.VirtualDiskSpec {
	return &types.VirtualDiskSpec{DiskType: "thin", AdapterType: adapter}
}

// copyDisk is CopyVirtualDisk_Task of the bench's one datacenter.
func (b *bench) copyDisk(from, to string, spec types.BaseVirtualDiskSpec) error {
	b.Helper()
	dc, err := b.finder.DefaultDatacenter(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	task, err := object.NewVirtualDiskManager(b.client.Client).CopyVirtualDisk(b.ctx, from, dc, to, dc, spec, true)
	_, err = b.outcome(task, err)
	return err
}

func (b *bench) directory(path string) {
	b.Helper()
	dc, err := b.finder.DefaultDatacenter(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	if err := object.NewFileManager(b.client.Client).MakeDirectory(b.ctx, path, dc, false); err != nil {
		b.Fatal(err)
	}
}

// A machine goes from one datastore to the other without vMotion: its frozen base is copied while it runs, its delta
// stays and is set on the copy, it is suspended, registered anew and resumed, and the delta is merged into the copy.
func TestShortOutage(t *testing.T) {
	needsGuest(t)
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	b.startLog("web")
	b.directory("[datastore2] web")
	b.wants("FileLocked", b.copyDisk("[datastore1] web/web.vmdk", "[datastore2] web/web.vmdk", thinDisk("lsiLogic")))
	b.done(vm.CreateSnapshot(b.ctx, "move", "", false, false))
	b.moreLines("web", 3)
	if err := b.copyDisk("[datastore1] web/web.vmdk", "[datastore2] web/web.vmdk", thinDisk("lsiLogic")); err != nil {
		t.Fatal(err)
	}
	b.wants("FileAlreadyExists", b.copyDisk("[datastore1] web/web.vmdk", "[datastore2] web/web.vmdk", thinDisk("lsiLogic")))
	b.moreLines("web", 3)
	acknowledged, _ := b.lab.Logged("web")
	b.done(vm.Suspend(b.ctx))
	if err := vm.Unregister(b.ctx); err != nil {
		t.Fatal(err)
	}

	root := filepath.Join(b.lab.config.Directory, "datastores")
	from, to := filepath.Join(root, "datastore1/web"), filepath.Join(root, "datastore2/web")
	file, err := vmx.Read(filepath.Join(from, "web.vmx"))
	if err != nil {
		t.Fatal(err)
	}
	file.Set("scsi0:0.fileName", "/vmfs/volumes/datastore1/web/web-000001.vmdk")
	file.Set("checkpoint.vmState", "/vmfs/volumes/datastore1/web/"+file.Get("checkpoint.vmState"))
	file.Set("uuid.action", "keep")
	if err := file.Write(filepath.Join(to, "web.vmx")); err != nil {
		t.Fatal(err)
	}
	copied, err := vmx.ReadDescriptor(filepath.Join(to, "web.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	err = vmx.EditDescriptor(filepath.Join(from, "web-000001.vmdk"), map[string]string{
		"parentFileNameHint": "/vmfs/volumes/datastore2/web/web.vmdk", "parentCID": copied.CID,
	})
	if err != nil {
		t.Fatal(err)
	}

	info, err := b.register("[datastore2] web/web.vmx", "web")
	if err != nil {
		t.Fatal(err)
	}
	vm = object.NewVirtualMachine(b.client.Client, info.Result.(types.ManagedObjectReference))
	if p := b.properties(vm); p.Runtime.PowerState != "suspended" || len(p.Datastore) != 2 || !p.Runtime.ConsolidationNeeded {
		t.Errorf("%s, %v, %v", p.Runtime.PowerState, p.Datastore, p.Runtime.ConsolidationNeeded)
	}
	b.done(vm.PowerOn(b.ctx))
	if boots := b.ready("web"); boots != 1 {
		t.Errorf("boots %d", boots)
	}
	if got, was := b.properties(vm).Config.LocationId, file.Get("uuid.location"); was == "" || got != was {
		t.Errorf("a resume made uuid.location %q out of %q", got, was)
	}
	b.moreLines("web", 3)
	b.done(vm.RemoveAllSnapshot(b.ctx, nil)) // it has none: its layers are left to ConsolidateVMDisks
	if got, want := b.backings(vm), "[datastore1] web/web-000001.vmdk < [datastore2] web/web.vmdk"; got != want {
		t.Errorf("disks: %s", got)
	}
	reply, err := methods.ConsolidateVMDisks_Task(b.ctx, b.client.Client, &types.ConsolidateVMDisks_Task{This: vm.Reference()})
	if err != nil {
		t.Fatal(err)
	}
	b.done(object.NewTask(b.client.Client, reply.Returnval), nil)
	if got, want := b.backings(vm), "[datastore2] web/web.vmdk"; got != want {
		t.Errorf("disks: %s", got)
	}
	if p := b.properties(vm); p.Runtime.ConsolidationNeeded || len(p.Datastore) != 1 {
		t.Errorf("%v, %v", p.Runtime.ConsolidationNeeded, p.Datastore)
	}
	if err := os.RemoveAll(from); err != nil { // nothing of it is needed any more
		t.Fatal(err)
	}
	b.moreLines("web", 3)
	b.checkLog("web")
	b.hasLines("web", acknowledged)
	b.say("web", "BOOTS", "BOOTS 1")
	b.done(vm.PowerOff(b.ctx))
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	b.hasLines("web", acknowledged)
	b.done(vm.PowerOff(b.ctx))
}

func TestCopyVirtualDisk(t *testing.T) {
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	folder := filepath.Join(b.lab.config.Directory, "datastores/datastore1/web")
	content := append([]byte("the disk's first bytes"), make([]byte, (8<<20)-22)...)
	capacity, err := os.Stat(filepath.Join(folder, "web-flat.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	content = append(content, make([]byte, capacity.Size()-int64(len(content)))...)
	if err := os.WriteFile(filepath.Join(folder, "web-flat.vmdk"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	b.done(vm.CreateSnapshot(b.ctx, "s", "", false, false))
	for _, c := range []struct {
		from, to string
		spec     types.BaseVirtualDiskSpec
		fault    string
	}{
		{"[datastore1] web/none.vmdk", "[datastore1] web/a.vmdk", nil, "FileNotFound"},
		{"[datastore1] web/web.vmdk", "[datastore1] none/a.vmdk", nil, "FileNotFound"},
		{"[datastore1] web/web.vmdk", "[datastore1] web/web-000001.vmdk", nil, "FileAlreadyExists"},
		{"[datastore1] web/web.vmdk", "[nowhere] a.vmdk", nil, "InvalidDatastore"},
		{"[datastore1] web/web.vmdk", "[datastore1] web/a.vmdk", &types.VirtualDiskSpec{DiskType: "sparse2Gb"}, "NotSupported"},
	} {
		b.wants(c.fault, b.copyDisk(c.from, c.to, c.spec))
	}
	for name, want := range map[string]struct {
		spec    types.BaseVirtualDiskSpec
		adapter string
		thin    bool
	}{
		"plain": {nil, "buslogic", false},
		"thin":  {thinDisk("lsiLogic"), "lsilogic", true},
	} {
		if err := b.copyDisk("[datastore1] web/web-000001.vmdk", "[datastore1] web/"+name+".vmdk", want.spec); err != nil {
			t.Fatal(err)
		}
		d, err := vmx.ReadDescriptor(filepath.Join(folder, name+".vmdk"))
		if err != nil {
			t.Fatal(err)
		}
		if d.Database["ddb.adapterType"] != want.adapter || d.Thin() != want.thin || d.ParentCID != vmx.NoParent {
			t.Errorf("%s: %+v", name, d)
		}
		if flat, err := os.ReadFile(d.Raw(folder)); err != nil || d.Extents[0].File != name+"-flat.vmdk" || !bytes.Equal(flat, content) {
			t.Errorf("%s holds something else (%v)", d.Extents[0].File, err)
		}
	}
	dc, err := b.finder.DefaultDatacenter(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	disks, files := object.NewVirtualDiskManager(b.client.Client), object.NewFileManager(b.client.Client)
	b.done(disks.DeleteVirtualDisk(b.ctx, "[datastore1] web/thin.vmdk", dc))
	b.hasFiles("datastore1", "web", false, "thin.vmdk", "thin-flat.vmdk")
	b.done(vm.PowerOn(b.ctx))
	_, err = b.outcome(disks.DeleteVirtualDisk(b.ctx, "[datastore1] web/web.vmdk", dc))
	b.wants("FileLocked", err)
	_, err = b.outcome(files.DeleteDatastoreFile(b.ctx, "[datastore1] web", dc))
	b.wants("FileLocked", err)
	b.done(files.CopyDatastoreFile(b.ctx, "[datastore1] web/web.vmx", dc, "[datastore2] web.vmx", dc, false))
	_, err = b.outcome(files.CopyDatastoreFile(b.ctx, "[datastore1] web/web.vmx", dc, "[datastore2] web.vmx", dc, false))
	b.wants("FileAlreadyExists", err)
	b.done(files.MoveDatastoreFile(b.ctx, "[datastore2] web.vmx", dc, "[datastore1] web/moved.vmx", dc, false))
	b.hasFiles("datastore1", "web", true, "moved.vmx", "web.vmx")
	b.wants("FileAlreadyExists", files.MakeDirectory(b.ctx, "[datastore1] web", dc, false))
	b.done(vm.PowerOff(b.ctx))
	b.done(files.DeleteDatastoreFile(b.ctx, "[datastore1] web/moved.vmx", dc))
	_, err = b.outcome(files.DeleteDatastoreFile(b.ctx, "[datastore1] web/moved.vmx", dc))
	b.wants("FileNotFound", err)
}

func TestAVCenterKnowsNoDestSpec(t *testing.T) {
	b := start(t, "vcenter")
	b.make(NewMachine{Name: "web"})
	b.wants("NotImplemented", b.copyDisk("[datastore1] web/web.vmdk", "[datastore1] web/a.vmdk", thinDisk("lsiLogic")))
	if err := b.copyDisk("[datastore1] web/web.vmdk", "[datastore1] web/a.vmdk", nil); err != nil {
		t.Fatal(err)
	}
}
