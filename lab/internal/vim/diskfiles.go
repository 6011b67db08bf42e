package vim

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// diskManager is VirtualDiskManager: it copies, moves and deletes disks as a whole, descriptor and bytes.
type diskManager struct {
	*simulator.VirtualDiskManager
	lab *Lab
}

func (*diskManager) ofLab() {}

// CopyVirtualDiskTask copies what a disk reads, with all its parents, into a flat disk of its own. Faults as
// documented: FileNotFound, FileAlreadyExists (force or not), FileLocked while a machine writes to the source (a base
// that is frozen under a snapshot can be read), NoDiskSpace. Without destSpec a host makes a preallocated busLogic
// disk; a vCenter does not implement destSpec.
func (d *diskManager) CopyVirtualDiskTask(ctx *simulator.Context, c *types.CopyVirtualDisk_Task) soap.HasFault {
	l := d.lab
	if c.DestSpec != nil && l.config.Model == "vcenter" {
		return &methods.CopyVirtualDisk_TaskBody{Fault_: simulator.Fault("destSpec is not implemented", &types.NotImplemented{})}
	}
	ref := l.task(ctx, l.datacenter(), "copyVirtualDisk", nil, func(own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		form, fault := l.formOf(c.DestSpec)
		if fault != nil {
			return nil, fault
		}
		from, fault := l.fileAt(c.SourceName, c.SourceDatacenter)
		if fault != nil {
			return nil, fault
		}
		to, fault := l.fileAt(c.DestName, firstRef(c.DestDatacenter, c.SourceDatacenter))
		if fault != nil {
			return nil, fault
		}
		return nil, l.copyDisk(own, from, to, form)
	})
	return &methods.CopyVirtualDisk_TaskBody{Res: &types.CopyVirtualDisk_TaskResponse{Returnval: ref}}
}

func firstRef(refs ...*types.ManagedObjectReference) *types.ManagedObjectReference {
	for _, r := range refs {
		if r != nil {
			return r
		}
	}
	return nil
}

// diskForm is what a new disk is to be. Nothing of it: as the source.
type diskForm struct {
	diskType, adapter string
}

func (l *Lab) formOf(spec types.BaseVirtualDiskSpec) (diskForm, types.BaseMethodFault) {
	if spec == nil && l.config.Model == "vcenter" {
		return diskForm{}, nil
	}
	form := diskForm{diskType: string(types.VirtualDiskTypePreallocated), adapter: string(types.VirtualDiskAdapterTypeBusLogic)}
	if spec != nil {
		s := spec.GetVirtualDiskSpec()
		form = diskForm{firstOf(s.DiskType, form.diskType), firstOf(s.AdapterType, form.adapter)}
	}
	switch types.VirtualDiskType(form.diskType) {
	case types.VirtualDiskTypeThin, types.VirtualDiskTypePreallocated, types.VirtualDiskTypeThick, types.VirtualDiskTypeEagerZeroedThick:
		return form, nil
	}
	return form, localized(&types.NotSupported{}, "The lab makes thin, preallocated, thick and eagerZeroedThick disks, not %s", form.diskType)
}

// apply changes the disk data base of a copy: a form of its own, and an identity of its own.
func (f diskForm) apply(database map[string]string, cid string) {
	if f.diskType != "" {
		delete(database, "ddb.thinProvisioned")
		if f.diskType == string(types.VirtualDiskTypeThin) {
			database["ddb.thinProvisioned"] = "1"
		}
	}
	if f.adapter != "" {
		database["ddb.adapterType"] = strings.ToLower(f.adapter)
	}
	database["ddb.longContentID"] = randomHex(12) + cid
	database["ddb.uuid"] = vmx.FileUUID("6000c29" + randomHex(13)[1:]) // the prefix of disks that VMware made
}

// located is a file and a host that reaches it.
type located struct {
	place
	host types.ManagedObjectReference
}

// fileAt finds what a datastore path names, through any host that has the datastore.
func (l *Lab) fileAt(name string, datacenter *types.ManagedObjectReference) (located, types.BaseMethodFault) {
	if datacenter == nil && l.config.Model == "vcenter" {
		return located{}, invalidArgument("datacenter", "A vCenter needs the datacenter of %s", name)
	}
	datastore, path, fault := splitPath(name)
	if fault != nil {
		return located{}, fault
	}
	for _, h := range l.hosts() {
		if at, found := l.locate(h.Self, datastore, path); found {
			return located{at, h.Self}, nil
		}
	}
	return located{}, localized(&types.InvalidDatastore{Name: datastore}, "There is no datastore %s, or the path %s is not on it", datastore, path)
}

func (l *Lab) datacenter() *simulator.Datacenter {
	for _, e := range l.registry.All("Datacenter") {
		return e.(*simulator.Datacenter)
	}
	return nil
}

func fileAlreadyExists(at place) types.BaseMethodFault {
	return localized(&types.FileAlreadyExists{FileFault: types.FileFault{File: at.dsPath()}}, "The file %s already exists", at.dsPath())
}

func (l *Lab) copyDisk(ctx *simulator.Context, from, to located, form diskForm) types.BaseMethodFault {
	c, fault := l.chainAt(from.host, from.place)
	if fault != nil {
		return fault
	}
	if fault := to.refusesFile(); fault != nil {
		return fault
	}
	if !exists(filepath.Dir(to.local)) {
		return fileNotFound(to.place, "its directory")
	}
	if exists(to.local) || exists(flatOf(to.local)) {
		return fileAlreadyExists(to.place)
	}
	release, fault := l.readLock(c)
	if fault != nil {
		return fault
	}
	defer release()
	if free, known := l.freeBytes(to.host, to.datastore); known && free < c.allocatedBytes() {
		return noDiskSpace(to.place)
	}
	return l.fillCopy(ctx, c, to.place, form)
}

func (l *Lab) fillCopy(ctx *simulator.Context, c chain, to place, form diskForm) types.BaseMethodFault {
	o, made := operationOf(ctx), &created{}
	o.allowCancel()
	cid := fmt.Sprintf("%08x", newContentID())
	database := maps.Clone(c[0].descriptor.Database)
	form.apply(database, cid)
	extent, flat := to.newData(flatSuffix)
	capacity := c.top().descriptor.CapacityBytes()
	made.add(flat)
	err := makeSparse(flat, capacity)
	if err == nil {
		err = l.images().Flatten(ctx, c.image(), flat, o.progress)
	}
	if err == nil {
		made.add(to.local)
		err = os.WriteFile(to.local, []byte(vmx.FlatDescriptor(extent, capacity, cid, database)), 0o600)
	}
	if err == nil && o.seal() {
		return nil
	}
	made.remove()
	if ctx.Err() != nil {
		return cancelled()
	}
	return cannotCreate(to, err)
}

// DeleteVirtualDiskTask deletes a disk's descriptor and bytes, not its parents. FileLocked while a machine has it open.
func (d *diskManager) DeleteVirtualDiskTask(ctx *simulator.Context, c *types.DeleteVirtualDisk_Task) soap.HasFault {
	l := d.lab
	ref := l.task(ctx, l.datacenter(), "deleteVirtualDisk", nil, func(*simulator.Context) (types.AnyType, types.BaseMethodFault) {
		at, fault := l.fileAt(c.Name, c.Datacenter)
		if fault != nil {
			return nil, fault
		}
		y, fault := readLayer(at.place)
		if fault != nil {
			return nil, fault
		}
		if l.useOf(at.place, nil) != unused {
			return nil, fileLocked(at.place)
		}
		for _, file := range y.files() {
			if err := os.Remove(file); err != nil {
				return nil, localized(&types.CannotDeleteFile{FileFault: types.FileFault{File: at.dsPath()}}, "%v", err)
			}
		}
		return nil, nil
	})
	return &methods.DeleteVirtualDisk_TaskBody{Res: &types.DeleteVirtualDisk_TaskResponse{Returnval: ref}}
}

// MoveVirtualDiskTask is refused: CopyVirtualDisk_Task and DeleteVirtualDisk_Task do the same.
func (d *diskManager) MoveVirtualDiskTask(*simulator.Context, *types.MoveVirtualDisk_Task) soap.HasFault {
	return &methods.MoveVirtualDisk_TaskBody{Fault_: notSupported(notYet)}
}
