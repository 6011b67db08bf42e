package vim

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/image"
	"rundirect.dev/lab/internal/vmx"
)

// CreateSnapshotTask freezes the machine's disks; quiesce is ignored.
func (v *virtualMachine) CreateSnapshotTask(ctx *simulator.Context, c *types.CreateSnapshot_Task) soap.HasFault {
	ref, fault := v.snapshotTask(ctx, "createSnapshot", c.Name, c.Description, c.Memory)
	if fault != nil {
		return &methods.CreateSnapshot_TaskBody{Fault_: fault}
	}
	return &methods.CreateSnapshot_TaskBody{Res: &types.CreateSnapshot_TaskResponse{Returnval: ref}}
}

// CreateSnapshotExTask freezes the machine's disks; quiesceSpec is ignored.
func (v *virtualMachine) CreateSnapshotExTask(ctx *simulator.Context, c *types.CreateSnapshotEx_Task) soap.HasFault {
	ref, fault := v.snapshotTask(ctx, "createSnapshotEx", c.Name, c.Description, c.Memory)
	if fault != nil {
		return &methods.CreateSnapshotEx_TaskBody{Fault_: fault}
	}
	return &methods.CreateSnapshotEx_TaskBody{Res: &types.CreateSnapshotEx_TaskResponse{Returnval: ref}}
}

// snapshotTask gives every disk that is not independent a delta to write to: NAME-00000N.vmdk beside its parent, or in
// workingDir when snapshot.redoNotWithParent says so. The machine, if it runs, goes over from one moment to the next.
func (v *virtualMachine) snapshotTask(ctx *simulator.Context, method, name, description string, memory bool) (types.ManagedObjectReference, *soap.Fault) {
	return v.exclusive(ctx, method, func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		if memory && m.running() != nil {
			return nil, localized(&types.NotSupported{}, "The lab's snapshots are of disks alone, without memory")
		}
		return m.createSnapshot(own, v.VirtualMachine, name, description)
	})
}

// frozen is a disk that gets a child.
type frozen struct {
	disk  vmx.Disk
	chain chain
	child layer
}

func (m *machine) createSnapshot(ctx *simulator.Context, vm *simulator.VirtualMachine, name, description string) (types.AnyType, types.BaseMethodFault) {
	hardware, err := m.file.Hardware()
	if err != nil {
		return nil, localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%v", err)
	}
	disks, fault := m.makeChildren(hardware.Disks)
	if fault == nil {
		fault = m.writeToChildren(disks)
	}
	if fault != nil {
		for _, f := range disks {
			m.deleteLayer(f.child)
		}
		return nil, fault
	}
	record := m.newRecord(name, description, disks)
	for _, f := range disks {
		m.setChain(f.disk, append(f.chain, f.child))
		m.file.Set(fileKey(f.disk), reference(m.config, f.child.place))
	}
	if fault := m.writeFile(); fault != nil {
		return nil, fault
	}
	ref := m.publishRecord(ctx, vm, record)
	m.log("snapshot %q: the disks go on in their children", name)
	m.showStorage(ctx, vm)
	return ref, nil
}

// makeChildren makes an empty child for each disk. On a fault those that were made are returned too.
func (m *machine) makeChildren(disks []vmx.Disk) ([]frozen, types.BaseMethodFault) {
	var list []frozen
	for _, d := range disks {
		if strings.HasPrefix(d.Mode, "independent") {
			continue
		}
		c, fault := m.chainOf(d)
		if fault != nil {
			return list, fault
		}
		if len(c) == maxLayers {
			return list, localized(&types.GenericVmConfigFault{Reason: "too many snapshots"}, "The disk %s has %d layers, which is the limit", c.top().dsPath(), maxLayers)
		}
		at := m.childPlace(c.top())
		child, err := m.lab.makeChild(c.top(), at)
		if err != nil {
			return list, cannotCreate(at, err)
		}
		list = append(list, frozen{d, c, child})
	}
	return list, nil
}

// cannotCreate is the fault of a file that could not be made or filled.
func cannotCreate(at place, err error) types.BaseMethodFault {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		return noDiskSpace(at)
	}
	return localized(&types.CannotCreateFile{FileFault: types.FileFault{File: at.dsPath()}}, "Cannot create %s: %v", at.dsPath(), err)
}

func noDiskSpace(at place) types.BaseMethodFault {
	return localized(&types.NoDiskSpace{FileFault: types.FileFault{File: at.dsPath()}, Datastore: at.datastore.Name},
		"Insufficient disk space on datastore '%s'.", at.datastore.Name)
}

var snapshotSuffix = regexp.MustCompile(`-\d{6}$`)

// childPlace is the first free NAME-00000N.vmdk.
func (m *machine) childPlace(parent layer) place {
	base := snapshotSuffix.ReplaceAllString(strings.TrimSuffix(path.Base(parent.path), ".vmdk"), "")
	for number := 1; ; number++ {
		name := fmt.Sprintf("%s-%06d.vmdk", base, number)
		at := parent.beside(name)
		if m.file.True("snapshot.redoNotWithParent") {
			at = m.workingPlace(name)
		}
		if !exists(at.local) {
			return at
		}
	}
}

func (l *Lab) makeChild(parent layer, at place) (layer, error) {
	kind := deltaKind(parent, at)
	data, file := at.newData(kind.Suffix)
	capacity := parent.descriptor.CapacityBytes()
	if err := l.images().CreateDelta(file, capacity); err != nil {
		return layer{}, err
	}
	text := vmx.NewDelta(kind, data, capacity, newContentID(), reference(at, parent.place), parent.descriptor.CID)
	err := os.WriteFile(at.local, []byte(text), 0o600)
	if err == nil {
		if y, fault := readLayer(at); fault == nil {
			return y, nil
		}
		err = fmt.Errorf("the new disk can not be read back")
	}
	_ = os.Remove(file)
	return layer{}, err
}

// deltaKind is the format of a child: the one of its datastore. A vSAN's own stands on a vSAN's disk alone, and is not
// mixed with another in one chain.
func deltaKind(parent layer, at place) vmx.DeltaKind {
	standsOnVSAN := parent.objects != "" && (!parent.descriptor.IsDelta() || parent.descriptor.CreateType == vmx.VSANSparse.CreateType)
	switch {
	case at.objects != "" && standsOnVSAN:
		return vmx.VSANSparse
	case at.network, at.objects != "":
		return vmx.VMFSSparse
	}
	return vmx.SESparse
}

// images is the tool for disks that no machine runs from.
func (l *Lab) images() image.Tool {
	return image.Tool{Children: l.children, RateBytesPerSecond: l.storage.rate()}
}

// writeToChildren lets a machine that runs write to the children.
func (m *machine) writeToChildren(disks []frozen) types.BaseMethodFault {
	g := m.running()
	if g == nil || len(disks) == 0 {
		return nil
	}
	var overlays []guest.Overlay
	for _, f := range disks {
		overlays = append(overlays, guest.Overlay{Layer: f.child.image(), Over: f.chain.top().node})
	}
	if err := g.Snapshot(overlays); err != nil {
		return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "The running machine could not go over to new disks: %v", err)
	}
	return nil
}

func (m *machine) newRecord(name, description string, disks []frozen) vmx.Snapshot {
	record := vmx.Snapshot{UID: 1, DisplayName: name, Description: description, Created: time.Now()}
	if n := len(m.snapshots); n > 0 {
		record.UID = m.snapshots[n-1].UID + 1
	}
	record.File = fmt.Sprintf("%s-Snapshot%d.vmsn", strings.TrimSuffix(filepath.Base(m.config.local), ".vmx"), record.UID)
	for _, f := range disks {
		record.Disks = append(record.Disks, vmx.SnapshotDisk{Node: diskNode(f.disk), File: m.file.Get(fileKey(f.disk))})
	}
	if err := os.WriteFile(m.config.beside(record.File).local, []byte(m.file.Text()), 0o600); err != nil {
		m.log("%s could not be written: %v", record.File, err)
	}
	return record
}

func diskNode(d vmx.Disk) string { return fmt.Sprintf("%s%d:%d", d.Kind, d.Bus, d.Unit) }
