package vim

import (
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// relocation is a move that can be made: what lies where afterwards.
type relocation struct {
	host         types.ManagedObjectReference
	home         place // the .vmx
	homeMoves    bool
	disks        []diskMove
	folder, pool *types.ManagedObjectReference
	cards        []types.BaseVirtualDeviceConfigSpec
	power        types.VirtualMachinePowerState
}

// diskMove is a disk that goes to another datastore, as one flat file whatever layers it has.
type diskMove struct {
	disk  vmx.Disk
	chain chain
	to    place // the new descriptor
	thin  bool
}

// planRelocation works out a move and finds what is in its way, without changing anything.
func (m *machine) planRelocation(ctx *simulator.Context, vm *simulator.VirtualMachine, spec types.VirtualMachineRelocateSpec) (relocation, types.BaseMethodFault) {
	r := relocation{host: m.host, folder: spec.Folder, pool: spec.Pool, cards: spec.DeviceChange, power: state(ctx, vm)}
	if spec.Host != nil {
		r.host = *spec.Host
	}
	for _, step := range []func() types.BaseMethodFault{
		func() types.BaseMethodFault { return m.checkReferences(ctx, vm, r) },
		func() types.BaseMethodFault { return m.planHome(&r, spec) },
		func() types.BaseMethodFault { return m.planDisks(&r, spec) },
		func() types.BaseMethodFault { return m.checkSnapshots(r) },
		func() types.BaseMethodFault { return m.checkVMotion(ctx, r) },
		func() types.BaseMethodFault { return m.checkSpace(r) },
	} {
		if fault := step(); fault != nil {
			return r, fault
		}
	}
	return r, nil
}

func invalidArgument(property, format string, arguments ...any) types.BaseMethodFault {
	return localized(&types.InvalidArgument{InvalidProperty: property}, format, arguments...)
}

// checkReferences sees that host, pool, folder and cards are there and can be used.
func (m *machine) checkReferences(ctx *simulator.Context, vm *simulator.VirtualMachine, r relocation) types.BaseMethodFault {
	host, ok := m.lab.registry.Get(r.host).(*simulator.HostSystem)
	if !ok {
		return invalidArgument("spec.host", "There is no host %s", r.host.Value)
	}
	maintenance := false
	ctx.WithLock(host, func() { maintenance = host.Runtime.InMaintenanceMode })
	if maintenance && r.host != m.host {
		return localized(&types.InvalidState{}, "The host is in maintenance mode.")
	}
	if r.pool != nil {
		if _, ok := m.lab.registry.Get(*r.pool).(*simulator.ResourcePool); !ok {
			return invalidArgument("spec.pool", "There is no resource pool %s", r.pool.Value)
		}
	}
	if r.folder != nil && (vm.Parent == nil || *vm.Parent != *r.folder) {
		folder, ok := m.lab.registry.Get(*r.folder).(*simulator.Folder)
		if !ok {
			return invalidArgument("spec.folder", "There is no folder %s", r.folder.Value)
		}
		if fault := m.lab.nameFree(ctx, folder, m.name); fault != nil {
			return fault
		}
	}
	var devices []types.BaseVirtualDevice
	ctx.WithLock(vm, func() { devices = copyDevices(vm.Config.Hardware.Device) })
	for _, c := range r.cards {
		card, isCard := c.GetVirtualDeviceConfigSpec().Device.(types.BaseVirtualEthernetCard)
		if !isCard || findCard(devices, card.GetVirtualEthernetCard().Key) == nil {
			return invalidArgument("spec.deviceChange", "A relocation in the lab edits network cards that are there, nothing else")
		}
	}
	return nil
}

// target finds a datastore that the relocation names, as the host that the machine will be on has it.
func (m *machine) target(host, ref types.ManagedObjectReference, file string) (place, types.BaseMethodFault) {
	ds, ok := m.lab.registry.Get(ref).(*simulator.Datastore)
	if !ok {
		return place{}, invalidArgument("spec.datastore", "There is no datastore %s", ref.Value)
	}
	at, found := m.lab.locate(host, ds.Name, file)
	if !found {
		return place{}, localized(&types.InvalidDatastore{Name: ds.Name, Datastore: &ref}, "The host has no datastore %s", ds.Name)
	}
	return at, nil
}

// planHome decides where the .vmx goes.
func (m *machine) planHome(r *relocation, spec types.VirtualMachineRelocateSpec) types.BaseMethodFault {
	base := path.Base(m.config.path)
	if spec.Datastore == nil || *spec.Datastore == m.config.datastore.Self {
		at, fault := m.target(r.host, m.config.datastore.Self, m.config.path)
		r.home = at
		return fault
	}
	directory, fault := m.freeDirectory(r.host, *spec.Datastore)
	r.home, r.homeMoves = directory.beside(base), true
	return fault
}

// freeDirectory is a new directory that is named after the machine: any file in it.
func (m *machine) freeDirectory(host, datastore types.ManagedObjectReference) (place, types.BaseMethodFault) {
	name := strings.ReplaceAll(m.name, "/", "_")
	for number := 0; ; number++ {
		directory := name
		if number > 0 {
			directory = fmt.Sprintf("%s_%d", name, number)
		}
		at, fault := m.target(host, datastore, path.Join(directory, "any"))
		if fault != nil {
			return at, fault
		}
		if !exists(path.Dir(at.local)) {
			return at.inNewNamespace(), nil
		}
	}
}

// planDisks decides for each disk whether it moves, and where to.
func (m *machine) planDisks(r *relocation, spec types.VirtualMachineRelocateSpec) types.BaseMethodFault {
	hardware, err := m.file.Hardware()
	if err != nil {
		return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%v", err)
	}
	locators := map[int32]types.VirtualMachineRelocateSpecDiskLocator{}
	for _, l := range spec.Disk {
		locators[l.DiskId] = l
	}
	directories := map[types.ManagedObjectReference]place{}
	if r.homeMoves {
		directories[r.home.datastore.Self] = r.home
	}
	taken := map[string]bool{}
	for _, d := range hardware.Disks {
		key := unitKey(d.Kind, d.Bus, d.Unit)
		locator, located := locators[key]
		delete(locators, key)
		if !located && spec.Datastore == nil {
			continue
		}
		if !located {
			locator = types.VirtualMachineRelocateSpecDiskLocator{Datastore: *spec.Datastore}
		}
		locator.DiskMoveType = firstOf(locator.DiskMoveType, spec.DiskMoveType)
		if fault := m.planDisk(r, d, locator, directories, taken); fault != nil {
			return fault
		}
	}
	for key := range locators {
		return invalidArgument("spec.disk.diskId", "The machine has no disk %d", key)
	}
	return nil
}

func (m *machine) planDisk(r *relocation, d vmx.Disk, l types.VirtualMachineRelocateSpecDiskLocator, directories map[types.ManagedObjectReference]place, taken map[string]bool) types.BaseMethodFault {
	c, fault := m.chainOf(d)
	if fault != nil {
		return fault
	}
	stays := true
	for _, y := range c {
		stays = stays && y.datastore.Self == l.Datastore
	}
	if stays {
		return nil
	}
	if fault := checkMoveType(l.DiskMoveType, c); fault != nil {
		return fault
	}
	directory, known := directories[l.Datastore]
	if !known {
		if directory, fault = m.freeDirectory(r.host, l.Datastore); fault != nil {
			return fault
		}
		directories[l.Datastore] = directory
	}
	base := strings.TrimSuffix(path.Base(c[0].path), ".vmdk")
	name := base
	for number := 1; taken[l.Datastore.Value+name]; number++ {
		name = fmt.Sprintf("%s_%d", base, number)
	}
	taken[l.Datastore.Value+name] = true
	thin := c[0].descriptor.Thin()
	if backing, ok := l.DiskBackingInfo.(*types.VirtualDiskFlatVer2BackingInfo); ok && backing.ThinProvisioned != nil {
		thin = *backing.ThinProvisioned
	}
	r.disks = append(r.disks, diskMove{disk: d, chain: c, to: directory.beside(name + ".vmdk"), thin: thin})
	return nil
}

// checkMoveType refuses what the lab can't do: to move a chain and keep its layers apart.
func checkMoveType(moveType string, c chain) types.BaseMethodFault {
	switch types.VirtualMachineRelocateDiskMoveOptions(moveType) {
	case types.VirtualMachineRelocateDiskMoveOptionsMoveAllDiskBackingsAndConsolidate:
		return nil
	case "", types.VirtualMachineRelocateDiskMoveOptionsMoveAllDiskBackingsAndAllowSharing,
		types.VirtualMachineRelocateDiskMoveOptionsMoveAllDiskBackingsAndDisallowSharing,
		types.VirtualMachineRelocateDiskMoveOptionsMoveChildMostDiskBacking:
		if len(c) == 1 {
			return nil
		}
		return localized(&types.NotSupported{}, "The lab moves a disk with snapshots only with moveAllDiskBackingsAndConsolidate")
	}
	return localized(&types.NotSupported{}, "The lab does not know diskMoveType %s", moveType)
}

// flattens tells whether the machine's snapshots go with the relocation.
func (r relocation) flattens() bool {
	for _, d := range r.disks {
		if len(d.chain) > 1 {
			return true
		}
	}
	return false
}

// checkSnapshots refuses to move a part of a machine that has snapshots: they name all its disks.
func (m *machine) checkSnapshots(r relocation) types.BaseMethodFault {
	if len(m.snapshots) == 0 || (!r.homeMoves && !r.flattens()) {
		return nil
	}
	moving := map[string]bool{}
	for _, d := range r.disks {
		moving[diskNode(d.disk)] = true
	}
	for _, s := range m.snapshots {
		for _, d := range s.Disks {
			if !moving[d.Node] {
				return localized(&types.NotSupported{}, "The lab moves a machine with snapshots only as a whole, with moveAllDiskBackingsAndConsolidate")
			}
		}
	}
	return nil
}

// checkVMotion sees that a machine that runs may be moved by both hosts.
func (m *machine) checkVMotion(ctx *simulator.Context, r relocation) types.BaseMethodFault {
	if r.power != on {
		return nil
	}
	for _, ref := range []types.ManagedObjectReference{m.host, r.host} {
		host := m.lab.registry.Get(ref).(*simulator.HostSystem)
		var allowed types.HostCapability
		ctx.WithLock(host, func() { allowed = *host.Capability })
		no := types.MigrationFeatureNotSupported{AtSourceHost: ref == m.host, FailedHostName: host.Name, FailedHost: ref}
		if !allowed.StorageVMotionSupported && (r.homeMoves || len(r.disks) > 0) {
			return localized(&types.StorageVMotionNotSupported{MigrationFeatureNotSupported: no}, "Storage vMotion is not supported on the host '%s'.", host.Name)
		}
		if !allowed.VmotionSupported && r.host != m.host {
			issue := types.VMotionInterfaceIssue{AtSourceHost: no.AtSourceHost, FailedHost: host.Name, FailedHostEntity: &ref}
			return localized(&types.VMotionNotSupported{VMotionInterfaceIssue: issue}, "vMotion is not supported on the host '%s'.", host.Name)
		}
	}
	if r.host == m.host {
		return nil
	}
	return m.checkStaying(r)
}

// checkStaying refuses to change the host under an open file of a mount: each host has its own, and the running QEMU
// can't let go of it.
func (m *machine) checkStaying(r relocation) types.BaseMethodFault {
	moving := map[int32]bool{}
	for _, d := range r.disks {
		moving[unitKey(d.disk.Kind, d.disk.Bus, d.disk.Unit)] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, c := range m.chains {
		for _, y := range c {
			if y.network && !moving[key] {
				return localized(&types.NotSupported{}, "The lab can't move a machine that runs to another host while its disk %s stays on NFS", y.dsPath())
			}
		}
	}
	return nil
}

// checkSpace compares what the copies will take with what is free.
func (m *machine) checkSpace(r relocation) types.BaseMethodFault {
	needed := map[*simulator.Datastore]int64{}
	for _, d := range r.disks {
		bytes := d.chain.top().descriptor.CapacityBytes()
		if d.thin {
			bytes = min(bytes, d.chain.allocatedBytes())
		}
		needed[d.to.datastore] += bytes
		if free, known := m.lab.freeBytes(r.host, d.to.datastore); known && free < needed[d.to.datastore] {
			return noDiskSpace(d.to)
		}
	}
	return nil
}

// allocatedBytes is what the chain's files take.
func (c chain) allocatedBytes() (bytes int64) {
	for _, y := range c {
		file, _ := y.data()
		if info, err := os.Stat(file); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				bytes += s.Blocks * vmx.SectorBytes
			}
		}
	}
	return bytes
}
