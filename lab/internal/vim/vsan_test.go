package vim

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

func (b *bench) vsan() *object.Datastore {
	b.Helper()
	ds, err := b.finder.Datastore(b.ctx, "vsan1")
	if err != nil {
		b.Fatal(err)
	}
	return ds
}

// objects counts a vSAN's disks and deltas.
func (b *bench) objects(datastore string) int {
	b.Helper()
	entries, err := os.ReadDir(b.lab.objectsOf(datastore))
	if err != nil {
		b.Fatal(err)
	}
	return len(entries)
}

func TestAVSANHasNamespacesAndObjects(t *testing.T) {
	for _, model := range []string{"esx", "vcenter"} {
		t.Run(model, func(t *testing.T) {
			b := start(t, model)
			dc, err := b.finder.DefaultDatacenter(b.ctx)
			if err != nil {
				t.Fatal(err)
			}
			files, names := object.NewFileManager(b.client.Client), object.NewDatastoreNamespaceManager(b.client.Client)
			b.wants("CannotCreateFile", files.MakeDirectory(b.ctx, "[vsan1] web", dc, false))
			b.wants("CannotCreateFile", files.MakeDirectory(b.ctx, "[vsan1] web/below", dc, true))
			made, err := names.CreateDirectory(b.ctx, b.vsan(), "web", "")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(made, "/vmfs/volumes/vsan:") || path.Base(made) == "web" {
				t.Errorf("made %s", made)
			}
			_, err = names.CreateDirectory(b.ctx, b.vsan(), "web", "")
			b.wants("FileAlreadyExists", err)
			plain, err := b.finder.Datastore(b.ctx, "datastore1")
			if err != nil {
				t.Fatal(err)
			}
			_, err = names.CreateDirectory(b.ctx, plain, "web", "")
			b.wants("CannotCreateFile", err)
			stable, err := names.ConvertNamespacePathToUuidPath(b.ctx, dc, "ds:///vmfs/volumes/"+volumeOf("vsan1")+"/web")
			if err != nil || !strings.HasSuffix(stable, made) {
				t.Errorf("%s, %v", stable, err)
			}
			b.checkFolderOfVSAN(path.Base(made))
			_, err = b.outcome(files.DeleteDatastoreFile(b.ctx, "[vsan1] web", dc))
			b.wants("CannotDeleteFile", err)
			b.wants("DirectoryNotEmpty", names.DeleteDirectory(b.ctx, dc, made))
			b.done(files.DeleteDatastoreFile(b.ctx, "[vsan1] web/note.txt", dc))
			if err := names.DeleteDirectory(b.ctx, dc, made); err != nil {
				t.Error(err)
			}
			b.wants("FileNotFound", names.DeleteDirectory(b.ctx, dc, made))
		})
	}
}

// checkFolderOfVSAN writes small files by HTTP, and sees what else is refused.
func (b *bench) checkFolderOfVSAN(id string) {
	b.Helper()
	for name, want := range map[string]int{
		"web/note.txt": http.StatusOK, id + "/note.txt": http.StatusOK, "web/x-flat.vmdk": http.StatusForbidden,
		"note.txt": http.StatusForbidden, "none/note.txt": http.StatusNotFound,
	} {
		at := fmt.Sprintf("https://%s/folder/%s?dcPath=%s&dsName=vsan1", b.lab.Address(), name, b.datacenterName())
		r, err := http.NewRequestWithContext(b.ctx, http.MethodPut, at, strings.NewReader("small"))
		if err != nil {
			b.Fatal(err)
		}
		client := &http.Client{Transport: b.client.Client.Client.DefaultTransport(), Jar: b.client.Client.Client.Jar}
		response, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			b.Errorf("PUT %s: %d, want %d", name, response.StatusCode, want)
		}
	}
	if content, err := os.ReadFile(filepath.Join(b.lab.production("vsan1"), id, "note.txt")); err != nil || string(content) != "small" {
		b.Errorf("%q, %v", content, err)
	}
}

func (b *bench) datacenterName() string {
	b.Helper()
	dc, err := b.finder.DefaultDatacenter(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	return path.Base(dc.InventoryPath)
}

// A running machine goes from VMFS to a vSAN, to another, and back; its disk is an object on the way, snapshots are
// vsanSparse, and nothing of it is left behind.
func TestRelocateThroughVSANs(t *testing.T) {
	needsGuest(t)
	b := start(t, "vcenter")
	vm := b.make(NewMachine{Name: "web"})
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	b.startLog("web")
	for _, to := range []string{"vsan1", "vsan2", "datastore2"} {
		b.done(vm.Relocate(b.ctx, b.to(to), anyPriority))
		home := path.Dir(b.properties(vm).Config.Files.VmPathName)
		if isVSAN(to) == strings.HasSuffix(home, " web") {
			t.Errorf("%s: it lies in %s", to, home)
		}
		b.moreLines("web", 3)
		b.done(vm.CreateSnapshot(b.ctx, "s", "", false, false))
		b.moreLines("web", 2)
		top := b.topDisk(vm)
		if isVSAN(to) && (top.DeltaDiskFormatVariant != "vsanSparseVariant" || top.BackingObjectId == nil || b.objects(to) != 2) {
			t.Errorf("%s: %+v, %d objects", to, top, b.objects(to))
		}
		b.done(vm.RemoveAllSnapshot(b.ctx, nil))
		if isVSAN(to) && b.objects(to) != 1 {
			t.Errorf("%s: %d objects after the merge", to, b.objects(to))
		}
	}
	if left := b.objects("vsan1") + b.objects("vsan2"); left != 0 {
		t.Errorf("%d objects are left", left)
	}
	b.checkLog("web")
	b.say("web", "BOOTS", "BOOTS 1")
	b.done(vm.PowerOff(b.ctx))
	b.done(vm.Destroy(b.ctx))
}

func (b *bench) topDisk(vm *object.VirtualMachine) *types.VirtualDiskFlatVer2BackingInfo {
	b.Helper()
	disks := object.VirtualDeviceList(b.properties(vm).Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
	return disks[0].(*types.VirtualDisk).Backing.(*types.VirtualDiskFlatVer2BackingInfo)
}

// A disk is copied to a vSAN and back, and both copies are valid descriptors of the same bytes.
func TestCopyVirtualDiskToAVSANAndBack(t *testing.T) {
	b := start(t, "esx")
	b.make(NewMachine{Name: "web"})
	b.wants("CannotCreateFile", b.copyDisk("[datastore1] web/web.vmdk", "[vsan1] web.vmdk", thinDisk("lsiLogic")))
	if _, err := object.NewDatastoreNamespaceManager(b.client.Client).CreateDirectory(b.ctx, b.vsan(), "web", ""); err != nil {
		t.Fatal(err)
	}
	for _, way := range [][2]string{{"[datastore1] web/web.vmdk", "[vsan1] web/web.vmdk"}, {"[vsan1] web/web.vmdk", "[datastore2] back.vmdk"}} {
		if err := b.copyDisk(way[0], way[1], thinDisk("lsiLogic")); err != nil {
			t.Fatal(err)
		}
	}
	datastores := filepath.Join(b.lab.config.Directory, "datastores")
	source, _ := os.ReadFile(filepath.Join(datastores, "datastore1/web/web-flat.vmdk"))
	if back, err := os.ReadFile(filepath.Join(datastores, "datastore2/back-flat.vmdk")); err != nil || !bytes.Equal(source, back) {
		t.Errorf("what came back is not what went (%v)", err)
	}
	at, fault := b.lab.fileAt("[vsan1] web/web.vmdk", nil)
	if fault != nil {
		t.Fatal(message(fault))
	}
	d, err := vmx.ReadDescriptor(at.local)
	if err != nil || d.CreateType != "vmfs" || d.Extents[0].Kind != "VMFS" || d.Extents[0].Object() == "" || b.objects("vsan1") != 1 {
		t.Errorf("%+v, %v, %d objects", d, err, b.objects("vsan1"))
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(at.local), "*-flat.vmdk")); len(left) != 0 {
		t.Errorf("flat files on a vSAN: %v", left)
	}
	dc, err := b.finder.DefaultDatacenter(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	b.done(object.NewVirtualDiskManager(b.client.Client).DeleteVirtualDisk(b.ctx, "[vsan1] web/web.vmdk", dc))
	if b.objects("vsan1") != 0 {
		t.Error("the disk's object is left")
	}
}
