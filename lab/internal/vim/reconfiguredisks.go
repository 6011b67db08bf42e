package vim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/vmx"
)

// Disks that ReconfigVM_Task adds and removes. A disk is added with a file that exists, on a place that is named, on a
// controller that is there or comes with it. A machine that runs gets and loses it at once.

// unitsOf is how many places a controller has.
var unitsOf = map[string]int{"scsi": scsiPerBus, "sata": sataPerBus, "nvme": 15, "ide": 2}

const maxBuses = 4

// addedDisk is a disk that comes.
type addedDisk struct {
	disk  vmx.Disk
	place place
	chain chain
}

// removedDisk is one that goes.
type removedDisk struct {
	disk    vmx.Disk
	destroy bool
}

// storageChange is what a ReconfigVM_Task asks for, once it is known that it can be done.
type storageChange struct {
	controllers []vmx.Controller
	added       []addedDisk
	removed     []removedDisk
}

// sortChanges tells controllers and disks from all other devices.
func sortChanges(specs []types.BaseVirtualDeviceConfigSpec) (others, storage []types.BaseVirtualDeviceConfigSpec) {
	for _, s := range specs {
		_, isDisk := s.GetVirtualDeviceConfigSpec().Device.(*types.VirtualDisk)
		_, isController := s.GetVirtualDeviceConfigSpec().Device.(types.BaseVirtualSCSIController)
		if isDisk || isController {
			storage = append(storage, s)
		} else {
			others = append(others, s)
		}
	}
	return others, storage
}

func (m *machine) changeStorage(ctx *simulator.Context, vm *simulator.VirtualMachine, specs []types.BaseVirtualDeviceConfigSpec, power types.VirtualMachinePowerState) types.BaseMethodFault {
	if len(specs) == 0 {
		return nil
	}
	if power == suspended {
		return wrongState(off, power)
	}
	hardware, err := m.file.Hardware()
	if err != nil {
		return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%v", err)
	}
	change, fault := m.planStorage(hardware, specs, power)
	if fault != nil {
		return fault
	}
	if fault := m.plug(change); fault != nil {
		return fault
	}
	m.writeStorage(change)
	if fault := m.writeFile(); fault != nil {
		return fault
	}
	for _, r := range change.removed {
		m.forgetDisk(r)
	}
	m.showStorage(ctx, vm)
	return nil
}

func (m *machine) planStorage(h vmx.Hardware, specs []types.BaseVirtualDeviceConfigSpec, power types.VirtualMachinePowerState) (change storageChange, fault types.BaseMethodFault) {
	fresh := map[int32]vmx.Controller{} // by the keys that the caller made up
	for i, s := range specs {
		spec := s.GetVirtualDeviceConfigSpec()
		fault = nil
		switch device := spec.Device.(type) {
		case types.BaseVirtualSCSIController:
			fault = change.addController(h, device, spec, fresh)
		case *types.VirtualDisk:
			switch spec.Operation {
			case types.VirtualDeviceConfigSpecOperationAdd:
				fault = m.planAdd(&change, h, device, spec, fresh, power)
			case types.VirtualDeviceConfigSpecOperationRemove:
				fault = m.planRemove(&change, h, device, spec, power)
			default:
				fault = localized(&types.NotSupported{}, "The lab adds and removes disks, and does not change them")
			}
		}
		if invalid, ok := fault.(*types.InvalidDeviceSpec); ok {
			invalid.DeviceIndex = int32(i)
		}
		if fault != nil {
			return change, fault
		}
	}
	return change, nil
}

func invalidDevice(format string, arguments ...any) types.BaseMethodFault {
	return localized(&types.InvalidDeviceSpec{InvalidVmConfig: types.InvalidVmConfig{Property: "deviceChange"}}, format, arguments...)
}

func (c *storageChange) addController(h vmx.Hardware, device types.BaseVirtualSCSIController, spec *types.VirtualDeviceConfigSpec, fresh map[int32]vmx.Controller) types.BaseMethodFault {
	base := device.GetVirtualSCSIController()
	if spec.Operation != types.VirtualDeviceConfigSpecOperationAdd {
		return localized(&types.NotSupported{}, "The lab adds SCSI controllers, and does not change or remove them")
	}
	added := vmx.Controller{Kind: "scsi", Bus: int(base.BusNumber), Model: scsiModelOf(device)}
	isTaken := func(o vmx.Controller) bool { return o.Kind == "scsi" && o.Bus == added.Bus }
	if added.Bus < 0 || added.Bus >= maxBuses || slices.ContainsFunc(slices.Concat(h.Controllers, c.controllers), isTaken) {
		return invalidDevice("There is no room for a SCSI controller %d", added.Bus)
	}
	c.controllers = append(c.controllers, added)
	fresh[base.Key] = added
	return nil
}

func scsiModelOf(device types.BaseVirtualSCSIController) string {
	switch device.(type) {
	case *types.ParaVirtualSCSIController:
		return "pvscsi"
	case *types.VirtualLsiLogicSASController:
		return "lsisas1068"
	case *types.VirtualBusLogicController:
		return "buslogic"
	default:
		return "lsilogic"
	}
}

func (m *machine) planAdd(c *storageChange, h vmx.Hardware, device *types.VirtualDisk, spec *types.VirtualDeviceConfigSpec, fresh map[int32]vmx.Controller, power types.VirtualMachinePowerState) types.BaseMethodFault {
	backing, isFile := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if !isFile || backing.FileName == "" || spec.FileOperation != "" {
		return localized(&types.NotSupported{}, "The lab adds disks whose file is there, and makes none")
	}
	added, fault := newPlace(h, *c, device, fresh)
	if fault != nil {
		return fault
	}
	if power == on && added.Kind == "ide" {
		return wrongState(off, power)
	}
	datastore, inside, fault := splitPath(backing.FileName)
	if fault != nil {
		return fault
	}
	at, found := m.lab.locate(m.host, datastore, inside)
	if !found {
		return localized(&types.InvalidDatastore{Name: datastore}, "The disk %s is on a datastore that the host does not have", backing.FileName)
	}
	layers, fault := m.lab.chainAt(m.host, at)
	if fault != nil {
		return fault
	}
	if m.hasDisk(h, *c, layers.top().place) {
		return invalidDevice("The machine has the disk %s already", at.dsPath())
	}
	if fault := m.lab.lockable(layers, nil); fault != nil {
		return fault
	}
	added.File, added.Mode = reference(m.config, at), firstOf(backing.DiskMode, "persistent")
	c.added = append(c.added, addedDisk{added, at, layers})
	return nil
}

// newPlace is where a disk is to hang: on a controller that is there or comes with it, at a place that is free.
func newPlace(h vmx.Hardware, c storageChange, device *types.VirtualDisk, fresh map[int32]vmx.Controller) (vmx.Disk, types.BaseMethodFault) {
	controller, found := fresh[device.ControllerKey]
	for _, o := range append([]vmx.Controller{{Kind: "ide", Bus: 0}, {Kind: "ide", Bus: 1}}, h.Controllers...) {
		if controllerKey(o.Kind, o.Bus) == device.ControllerKey {
			controller, found = o, true
		}
	}
	if !found || device.UnitNumber == nil {
		return vmx.Disk{}, invalidDevice("A disk hangs on a controller, at a unit; the machine has no controller %d", device.ControllerKey)
	}
	at := vmx.Disk{Kind: controller.Kind, Bus: controller.Bus, Unit: int(*device.UnitNumber)}
	same := func(o vmx.Disk) bool { return diskNode(o) == diskNode(at) }
	taken := slices.ContainsFunc(h.Disks, same) || slices.ContainsFunc(c.added, func(o addedDisk) bool { return same(o.disk) }) ||
		slices.ContainsFunc(h.CDROMs, func(o vmx.CDROM) bool { return same(vmx.Disk{Kind: o.Kind, Bus: o.Bus, Unit: o.Unit}) })
	if taken || at.Unit < 0 || at.Unit >= unitsOf[at.Kind] || (at.Kind == "scsi" && at.Unit == scsiOwnUnit) {
		return vmx.Disk{}, invalidDevice("The place %s is not free", diskNode(at))
	}
	return at, nil
}

func (m *machine) hasDisk(h vmx.Hardware, c storageChange, at place) bool {
	is := func(o place) bool { return o.datastore == at.datastore && o.path == at.path }
	for _, d := range h.Disks {
		if layers, fault := m.chainOf(d); fault == nil && slices.ContainsFunc(layers, func(y layer) bool { return is(y.place) }) {
			return true
		}
	}
	return slices.ContainsFunc(c.added, func(o addedDisk) bool { return is(o.place) })
}

func (m *machine) planRemove(c *storageChange, h vmx.Hardware, device *types.VirtualDisk, spec *types.VirtualDeviceConfigSpec, power types.VirtualMachinePowerState) types.BaseMethodFault {
	index := slices.IndexFunc(h.Disks, func(d vmx.Disk) bool { return unitKey(d.Kind, d.Bus, d.Unit) == device.Key })
	if index < 0 {
		return invalidDevice("The machine has no disk %d", device.Key)
	}
	d := h.Disks[index]
	if power == on && d.Kind == "ide" {
		return wrongState(off, power)
	}
	destroy := spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationDestroy
	if destroy && len(m.snapshots) > 0 {
		return localized(&types.InvalidState{}, "The disk %s belongs to a snapshot: it can be removed, and not deleted", diskNode(d))
	}
	c.removed = append(c.removed, removedDisk{d, destroy})
	return nil
}

// plug makes a machine that runs see the change. What comes is taken back where some of it fails; what goes, goes last.
func (m *machine) plug(c storageChange) types.BaseMethodFault {
	g := m.running()
	if g == nil {
		return nil
	}
	var undo []func() error
	refused := func(err error) types.BaseMethodFault {
		for _, back := range slices.Backward(undo) {
			if failed := back(); failed != nil {
				m.log("what was plugged in could not be taken back: %v", failed)
			}
		}
		return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "The running machine could not be changed: %v", err)
	}
	for _, o := range c.controllers {
		added := guest.Controller{Kind: o.Kind, Bus: o.Bus, Model: o.Model}
		if err := g.AddController(added); err != nil {
			return refused(err)
		}
		undo = append(undo, func() error { return g.RemoveController(added) })
	}
	for _, d := range c.added {
		if err := g.AddDisk(diskForGuest(d.disk, d.chain)); err != nil {
			return refused(err)
		}
		undo = append(undo, func() error { return g.RemoveDisk(diskForGuest(d.disk, d.chain)) })
		m.setChain(d.disk, d.chain)
		undo = append(undo, func() error { m.closeChain(d.disk); return nil })
	}
	for _, r := range c.removed {
		layers, fault := m.chainOf(r.disk)
		if fault != nil {
			return fault
		}
		if err := g.RemoveDisk(diskForGuest(r.disk, layers)); err != nil {
			return refused(err)
		}
	}
	return nil
}

// closeChain notes that a machine has a disk open no more.
func (m *machine) closeChain(d vmx.Disk) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.chains, unitKey(d.Kind, d.Bus, d.Unit))
}

// writeStorage puts the change into the .vmx, as a host writes it.
func (m *machine) writeStorage(c storageChange) {
	for _, o := range c.controllers {
		name := fmt.Sprintf("%s%d", o.Kind, o.Bus)
		m.file.Set(name+".present", "TRUE")
		m.file.Set(name+".virtualDev", o.Model)
	}
	for _, d := range c.added {
		name := diskNode(d.disk)
		m.file.Set(name+".deviceType", "scsi-hardDisk")
		m.file.Set(name+".fileName", d.disk.File)
		if d.disk.Mode != "persistent" {
			m.file.Set(name+".mode", d.disk.Mode)
		}
		m.file.Set(name+".present", "TRUE")
		m.log("disk %s is added: %s", name, d.place.dsPath())
	}
	for _, r := range c.removed {
		prefix := strings.ToLower(diskNode(r.disk)) + "."
		var keys []string
		m.file.Each(func(key, _ string) {
			if strings.HasPrefix(strings.ToLower(key), prefix) {
				keys = append(keys, key)
			}
		})
		for _, key := range keys {
			m.file.Remove(key)
		}
		m.log("disk %s is removed", diskNode(r.disk))
	}
}

// forgetDisk closes a disk that is out of the .vmx, and deletes its files where that was asked for.
func (m *machine) forgetDisk(r removedDisk) {
	layers, fault := m.chainOf(r.disk)
	m.closeChain(r.disk)
	if !r.destroy || fault != nil {
		return
	}
	for _, y := range slices.Backward(layers) {
		m.deleteLayer(y)
	}
}
