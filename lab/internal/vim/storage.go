package vim

import (
	"path"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// What changes where a machine's disks lie ends here: how its .vmx names them, and what the inventory shows of it.

// fileKey is a disk's key in a .vmx.
func fileKey(d vmx.Disk) string { return diskNode(d) + ".fileName" }

// reference is how a file that lies beside `from` names another: by its bare name, or by an absolute path.
func reference(from, to place) string {
	if from.datastore == to.datastore && path.Dir(from.path) == path.Dir(to.path) {
		return path.Base(to.path)
	}
	return "/vmfs/volumes/" + to.datastore.Name + "/" + to.path
}

// workingPlace is a file in the machine's workingDir, which is the .vmx's directory unless the .vmx says otherwise.
func (m *machine) workingPlace(name string) place {
	directory := strings.TrimSuffix(m.file.Get("workingDir"), "/")
	if directory == "" || directory == "." {
		return m.config.beside(name)
	}
	datastore, inside, err := vmx.DatastorePath(directory+"/"+name, m.config.datastore.Name, path.Dir(m.config.path))
	if err != nil {
		return m.config.beside(name)
	}
	if at, found := m.lab.locate(m.host, datastore, inside); found {
		return at
	}
	return m.config.beside(name)
}

// writeFile writes the .vmx.
func (m *machine) writeFile() types.BaseMethodFault {
	if err := m.file.Write(m.config.local); err != nil {
		return localized(&types.CannotAccessFile{FileFault: types.FileFault{File: m.config.dsPath()}}, "Unable to write %s: %v", m.config.dsPath(), err)
	}
	return nil
}

// showStorage publishes disks, files, snapshots and datastores anew. All other devices stay as they are shown.
func (m *machine) showStorage(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	hardware, err := m.file.Hardware()
	if err != nil {
		m.log("the .vmx can not be shown: %v", err)
		return
	}
	fresh, used, fault := m.devices(hardware)
	if fault != nil {
		m.log("the disks can not be shown: %s", message(fault))
		return
	}
	m.mu.Lock()
	old := m.datastores
	m.datastores = used
	m.mu.Unlock()
	m.lab.referTo(ctx, m.self, old, used)
	needed := m.consolidationNeeded(hardware)
	files := m.fileInfo()
	ctx.WithLock(vm, func() {
		changes := []types.PropertyChange{
			{Name: "config.hardware.device", Val: withStorage(vm.Config.Hardware.Device, fresh)}, {Name: "datastore", Val: used},
			{Name: "config.files", Val: files}, {Name: "summary.config.vmPathName", Val: files.VmPathName},
			{Name: "config.locationId", Val: m.file.Get("uuid.location")}, {Name: "config.extraConfig", Val: extraConfig(m.file)},
			{Name: "layoutEx", Val: m.layout()},
			{Name: "runtime.consolidationNeeded", Val: needed}, {Name: "summary.runtime.consolidationNeeded", Val: needed},
		}
		ctx.Update(vm, append(changes, m.snapshotChanges()...))
	})
}

// referTo changes which datastores know of a machine.
func (l *Lab) referTo(ctx *simulator.Context, machine types.ManagedObjectReference, old, used []types.ManagedObjectReference) {
	for _, ref := range old {
		if ds, ok := l.registry.Get(ref).(*simulator.Datastore); ok {
			ctx.WithLock(ds, func() { ds.Vm = without(ds.Vm, machine) })
		}
	}
	for _, ref := range used {
		if ds, ok := l.registry.Get(ref).(*simulator.Datastore); ok {
			ctx.WithLock(ds, func() { ds.Vm = append(without(ds.Vm, machine), machine) })
		}
	}
}

// withStorage is a copy of a device list with other disks in it, and with controllers that are new.
func withStorage(shown, fresh []types.BaseVirtualDevice) []types.BaseVirtualDevice {
	disks := map[int32]types.BaseVirtualDevice{}
	for _, d := range fresh {
		if disk, ok := d.(*types.VirtualDisk); ok {
			disks[disk.Key] = d
		}
	}
	known := map[int32]bool{}
	var list []types.BaseVirtualDevice
	for _, d := range copyDevices(shown) {
		key := d.GetVirtualDevice().Key
		known[key] = true
		if _, isDisk := d.(*types.VirtualDisk); !isDisk {
			list = append(list, d)
		} else if disk := disks[key]; disk != nil {
			list = append(list, disk)
		}
	}
	for _, d := range fresh {
		_, isController := d.(types.BaseVirtualController)
		_, isDisk := d.(*types.VirtualDisk)
		if (isController || isDisk) && !known[d.GetVirtualDevice().Key] {
			list = append(list, d)
		}
	}
	return list
}
