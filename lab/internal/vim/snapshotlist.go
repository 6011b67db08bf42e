package vim

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// snapshotRecord is a snapshot of a machine: what the .vmsd says, and its managed object. A lab's snapshots are one
// line, oldest first: it has no revert, so nothing can branch.
type snapshotRecord struct {
	vmx.Snapshot
	ref types.ManagedObjectReference
}

// snapshotList is the machine's .vmsd.
func (m *machine) snapshotList() string { return strings.TrimSuffix(m.config.local, ".vmx") + ".vmsd" }

// readSnapshots takes up the snapshots of a machine that is being registered.
func (m *machine) readSnapshots(vm *simulator.VirtualMachine) {
	list, err := vmx.ReadSnapshots(m.snapshotList())
	if err != nil {
		m.log("the snapshots can not be read: %v", err)
	}
	for _, s := range list {
		m.snapshots = append(m.snapshots, snapshotRecord{s, m.addSnapshotObject(vm, vm.Config)})
	}
	for _, c := range m.snapshotChanges() {
		switch value := c.Val.(type) {
		case *types.VirtualMachineSnapshotInfo:
			vm.Snapshot = value
		case []types.ManagedObjectReference:
			vm.RootSnapshot = value
		}
	}
	if hardware, err := m.file.Hardware(); err == nil {
		needed := m.consolidationNeeded(hardware)
		vm.Runtime.ConsolidationNeeded, vm.Summary.Runtime.ConsolidationNeeded = needed, needed
	}
}

func (m *machine) addSnapshotObject(vm *simulator.VirtualMachine, config *types.VirtualMachineConfigInfo) types.ManagedObjectReference {
	object := &simulator.VirtualMachineSnapshot{VirtualMachineSnapshot: mo.VirtualMachineSnapshot{Vm: vm.Self, Config: *config}}
	return m.lab.registry.Put(object).Reference()
}

// publishRecord adds a snapshot to the inventory and to the .vmsd.
func (m *machine) publishRecord(ctx *simulator.Context, vm *simulator.VirtualMachine, record vmx.Snapshot) types.ManagedObjectReference {
	var config types.VirtualMachineConfigInfo
	ctx.WithLock(vm, func() {
		config = *vm.Config
		config.Hardware.Device = copyDevices(config.Hardware.Device)
	})
	ref := m.addSnapshotObject(vm, &config)
	m.snapshots = append(m.snapshots, snapshotRecord{record, ref})
	m.writeSnapshots()
	return ref
}

// dropRecord removes one snapshot's entry, object and .vmsn.
func (m *machine) dropRecord(ctx *simulator.Context, index int) {
	gone := m.snapshots[index]
	m.snapshots = append(append([]snapshotRecord{}, m.snapshots[:index]...), m.snapshots[index+1:]...)
	_ = os.Remove(m.config.beside(filepath.Base(gone.File)).local)
	m.writeSnapshots()
	ctx.Map.Remove(ctx, gone.ref)
}

func (m *machine) writeSnapshots() {
	list := make([]vmx.Snapshot, len(m.snapshots))
	for i, s := range m.snapshots {
		list[i] = s.Snapshot
	}
	if err := vmx.WriteSnapshots(m.snapshotList(), list); err != nil {
		m.log("the .vmsd could not be written: %v", err)
	}
}

// forgetSnapshots takes the snapshots of a machine that leaves the inventory with it; their files stay.
func (m *machine) forgetSnapshots(ctx *simulator.Context) {
	for _, s := range m.snapshots {
		ctx.Map.Remove(ctx, s.ref)
	}
}

// snapshotChanges shows the tree.
func (m *machine) snapshotChanges() []types.PropertyChange {
	if len(m.snapshots) == 0 {
		return []types.PropertyChange{{Name: "snapshot", Val: nil}, {Name: "rootSnapshot", Val: nil}}
	}
	var tree []types.VirtualMachineSnapshotTree
	for i := len(m.snapshots) - 1; i >= 0; i-- {
		s := m.snapshots[i]
		tree = []types.VirtualMachineSnapshotTree{{
			Snapshot: s.ref, Vm: m.self, Name: s.DisplayName, Description: s.Description, Id: int32(s.UID), CreateTime: s.Created,
			State: off, ReplaySupported: types.NewBool(false), ChildSnapshotList: tree,
		}}
	}
	current := m.snapshots[len(m.snapshots)-1].ref
	return []types.PropertyChange{
		{Name: "snapshot", Val: &types.VirtualMachineSnapshotInfo{CurrentSnapshot: &current, RootSnapshotList: tree}},
		{Name: "rootSnapshot", Val: []types.ManagedObjectReference{m.snapshots[0].ref}},
	}
}

// frozenBy tells which snapshot froze a disk's layer: its index, or -1.
func (m *machine) frozenBy(d vmx.Disk, y layer) int {
	for i, s := range m.snapshots {
		for _, f := range s.Disks {
			if f.Node != diskNode(d) {
				continue
			}
			at, fault := m.diskPlace(vmx.Disk{File: f.File})
			if fault == nil && at.datastore == y.datastore && at.path == y.path {
				return i
			}
		}
	}
	return -1
}

// consolidationNeeded tells whether a disk has layers that no snapshot accounts for.
func (m *machine) consolidationNeeded(hardware vmx.Hardware) bool {
	for _, d := range hardware.Disks {
		c, fault := m.chainOf(d)
		if fault != nil {
			continue
		}
		for _, y := range c[:len(c)-1] {
			if m.frozenBy(d, y) < 0 {
				return true
			}
		}
	}
	return false
}
