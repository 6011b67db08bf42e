package vim

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/vmx"
)

type snapshot struct {
	*simulator.VirtualMachineSnapshot
	lab *Lab
}

func (*snapshot) ofLab() {}

// RevertToSnapshotTask is refused: the lab's machines only go on.
func (s *snapshot) RevertToSnapshotTask(*simulator.Context, *types.RevertToSnapshot_Task) soap.HasFault {
	return &methods.RevertToSnapshot_TaskBody{Fault_: notSupported(notYet)}
}

// RevertToCurrentSnapshotTask is refused.
func (v *virtualMachine) RevertToCurrentSnapshotTask(*simulator.Context, *types.RevertToCurrentSnapshot_Task) soap.HasFault {
	return &methods.RevertToCurrentSnapshot_TaskBody{Fault_: notSupported(notYet)}
}

// RemoveSnapshotTask removes one snapshot (with removeChildren, the later ones too) and, unless consolidate is false,
// merges what was written after it into the disks that it froze.
func (s *snapshot) RemoveSnapshotTask(ctx *simulator.Context, c *types.RemoveSnapshot_Task) soap.HasFault {
	vm, ok := s.lab.registry.Get(s.Vm).(*simulator.VirtualMachine)
	if !ok {
		return &methods.RemoveSnapshot_TaskBody{Fault_: simulator.Fault("the machine is gone", &types.ManagedObjectNotFound{Obj: s.Vm})}
	}
	ref, fault := (&virtualMachine{vm, s.lab}).exclusive(ctx, "removeSnapshot", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		first := slices.IndexFunc(m.snapshots, func(r snapshotRecord) bool { return r.ref == s.Self })
		if first < 0 {
			return nil, localized(&types.ManagedObjectNotFound{Obj: s.Self}, "The snapshot is gone")
		}
		count := 1
		if c.RemoveChildren {
			count = len(m.snapshots) - first
		}
		return nil, m.removeSnapshots(own, vm, first, count, c.Consolidate == nil || *c.Consolidate)
	})
	if fault != nil {
		return &methods.RemoveSnapshot_TaskBody{Fault_: fault}
	}
	return &methods.RemoveSnapshot_TaskBody{Res: &types.RemoveSnapshot_TaskResponse{Returnval: ref}}
}

// RemoveAllSnapshotsTask merges every disk into its base. A machine without snapshots is left as it is, even if its
// disks have layers: those are ConsolidateVMDisks_Task's.
func (v *virtualMachine) RemoveAllSnapshotsTask(ctx *simulator.Context, c *types.RemoveAllSnapshots_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "removeAllSnapshots", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		if len(m.snapshots) == 0 {
			return nil, nil
		}
		return nil, m.removeSnapshots(own, v.VirtualMachine, 0, len(m.snapshots), c.Consolidate == nil || *c.Consolidate)
	})
	if fault != nil {
		return &methods.RemoveAllSnapshots_TaskBody{Fault_: fault}
	}
	return &methods.RemoveAllSnapshots_TaskBody{Res: &types.RemoveAllSnapshots_TaskResponse{Returnval: ref}}
}

// ConsolidateVMDisksTask merges the layers that no snapshot accounts for.
func (v *virtualMachine) ConsolidateVMDisksTask(ctx *simulator.Context, _ *types.ConsolidateVMDisks_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "consolidateVMDisks", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		return nil, m.consolidate(own, v.VirtualMachine)
	})
	if fault != nil {
		return &methods.ConsolidateVMDisks_TaskBody{Fault_: fault}
	}
	return &methods.ConsolidateVMDisks_TaskBody{Res: &types.ConsolidateVMDisks_TaskResponse{Returnval: ref}}
}

// removeSnapshots forgets snapshots and then merges. As on a host, a merge that fails leaves a machine that has no
// such snapshot any more and needs consolidation.
func (m *machine) removeSnapshots(ctx *simulator.Context, vm *simulator.VirtualMachine, first, count int, consolidate bool) types.BaseMethodFault {
	for range count {
		m.dropRecord(ctx, first)
	}
	if !consolidate {
		m.showStorage(ctx, vm)
		return nil
	}
	return m.consolidate(ctx, vm)
}

func (m *machine) consolidate(ctx *simulator.Context, vm *simulator.VirtualMachine) types.BaseMethodFault {
	hardware, err := m.file.Hardware()
	if err != nil {
		return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%v", err)
	}
	defer m.showStorage(ctx, vm)
	o, each := operationOf(ctx), 100/float64(max(1, len(hardware.Disks)))
	for i, d := range hardware.Disks {
		if fault := m.consolidateDisk(d, o.part(float64(i)*each, float64(i+1)*each)); fault != nil {
			return fault
		}
	}
	return nil
}

// consolidateDisk merges each run of layers with no snapshot between them into its lowest layer.
func (m *machine) consolidateDisk(d vmx.Disk, progress func(float64)) types.BaseMethodFault {
	c, fault := m.chainOf(d)
	if fault != nil {
		return fault
	}
	for from := len(c) - 1; from > 0; from-- {
		into := from
		for into > 0 && m.frozenBy(d, c[into-1]) < 0 {
			into--
		}
		if into == from {
			continue
		}
		if fault := m.merge(d, c, into, from, progress); fault != nil {
			return fault
		}
		c = slices.Delete(c, into+1, from+1)
		from = into + 1
	}
	return nil
}

// merge writes the layers above `into`, up to and including `from`, into that layer, and deletes them.
func (m *machine) merge(d vmx.Disk, c chain, into, from int, progress func(float64)) types.BaseMethodFault {
	if m.lab.useOf(c[into].place, m) != unused {
		return fileLocked(c[into].place)
	}
	var err error
	g := m.running()
	if g != nil {
		err = g.Commit(guest.Commit{
			Top: c.top().node, From: c[from].node, Base: c[into].node, RateBytesPerSecond: m.lab.storage.rate(),
		}, percentOf(progress))
	} else {
		err = m.mergeOffline(c, into, from, progress)
	}
	if err != nil {
		return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "The disks of %s could not be consolidated: %v", m.name, err)
	}
	return m.settleMerge(d, c, into, from, g)
}

func (m *machine) mergeOffline(c chain, into, from int, progress func(float64)) error {
	each := 100 / float64(from-into)
	for at := from; at > into; at-- {
		done := float64(from-at) * each
		err := m.lab.images().Merge(m.lab.context(), c[:at+1].image(), func(percent float64) { progress(done + percent*each/100) })
		if err != nil {
			return err
		}
	}
	return nil
}

// settleMerge writes the new chain into the descriptors and the .vmx, then removes what was merged.
func (m *machine) settleMerge(d vmx.Disk, c chain, into, from int, g *guest.Machine) types.BaseMethodFault {
	base, gone := &c[into], slices.Clone(c[into+1:from+1])
	slices.Reverse(gone) // the upper first: it stands on the lower
	fail := func(err error) types.BaseMethodFault {
		return localized(&types.CannotAccessFile{FileFault: types.FileFault{File: base.dsPath()}}, "%s: %v", base.dsPath(), err)
	}
	base.descriptor.CID = c[from].descriptor.CID
	if err := vmx.EditDescriptor(base.local, map[string]string{"CID": base.descriptor.CID}); err != nil {
		return fail(err)
	}
	if from < len(c)-1 {
		above := c[from+1]
		above.descriptor.ParentFile = reference(above.place, base.place)
		err := vmx.EditDescriptor(above.local, map[string]string{"parentFileNameHint": above.descriptor.ParentFile})
		if err != nil {
			return fail(err)
		}
	} else {
		m.file.Set(fileKey(d), reference(m.config, base.place))
		if fault := m.writeFile(); fault != nil {
			return fault
		}
	}
	m.setChain(d, slices.Delete(slices.Clone(c), into+1, from+1))
	m.renameFrozen(d, c[from], *base)
	for _, y := range gone {
		if g != nil {
			if err := g.CloseLayer(y.node); err != nil {
				m.log("%s stays open: %v", y.dsPath(), err)
			}
		}
		m.deleteLayer(y)
	}
	return nil
}

// renameFrozen lets a later snapshot name the layer that its own was merged into.
func (m *machine) renameFrozen(d vmx.Disk, was, is layer) {
	index := m.frozenBy(d, was)
	if index < 0 {
		return
	}
	for i := range m.snapshots[index].Disks {
		if f := &m.snapshots[index].Disks[i]; f.Node == diskNode(d) {
			f.File = reference(m.config, is.place)
		}
	}
	m.writeSnapshots()
}

func percentOf(progress func(float64)) guest.Progress {
	return func(done, total int64) {
		if total > 0 {
			progress(100 * float64(done) / float64(total))
		}
	}
}
