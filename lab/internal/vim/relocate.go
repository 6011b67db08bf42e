package vim

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/vmx"
)

// copiedPercent is a relocation's progress when the disks are copied and only the going over is left.
const copiedPercent = 95

// RelocateVMTask moves a machine's files to other datastores, under it while it runs, and the machine to another host,
// pool or folder. A host alone has no such method. Until the disks are copied, CancelTask leaves all as it was.
func (v *virtualMachine) RelocateVMTask(ctx *simulator.Context, c *types.RelocateVM_Task) soap.HasFault {
	if v.lab.config.Model == "esx" {
		return &methods.RelocateVM_TaskBody{Fault_: notSupported(noVCenter)}
	}
	ref, fault := v.exclusive(ctx, "relocateVm", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		r, fault := m.planRelocation(own, v.VirtualMachine, c.Spec)
		if fault != nil {
			return nil, fault
		}
		return nil, m.relocate(own, v.VirtualMachine, r)
	})
	if fault != nil {
		return &methods.RelocateVM_TaskBody{Fault_: fault}
	}
	return &methods.RelocateVM_TaskBody{Res: &types.RelocateVM_TaskResponse{Returnval: ref}}
}

type provisioningChecker struct {
	*simulator.VmProvisioningChecker
	lab *Lab
}

func (*provisioningChecker) ofLab() {}

// CheckRelocateTask tells what is in the way of a relocation, and changes nothing.
func (p *provisioningChecker) CheckRelocateTask(ctx *simulator.Context, c *types.CheckRelocate_Task) soap.HasFault {
	vm, ok := p.lab.registry.Get(c.Vm).(*simulator.VirtualMachine)
	m := p.lab.machine(c.Vm)
	if !ok || m == nil {
		return &methods.CheckRelocate_TaskBody{Fault_: simulator.Fault("no such machine", &types.ManagedObjectNotFound{Obj: c.Vm})}
	}
	ref := p.lab.task(ctx, vm, "checkRelocate", nil, func(own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		result := types.CheckResult{Vm: &c.Vm, Host: c.Spec.Host}
		if _, fault := m.planRelocation(own, vm, c.Spec); fault != nil {
			result.Error = []types.LocalizedMethodFault{{Fault: fault, LocalizedMessage: message(fault)}}
		}
		return types.ArrayOfCheckResult{CheckResult: []types.CheckResult{result}}, nil
	})
	return &methods.CheckRelocate_TaskBody{Res: &types.CheckRelocate_TaskResponse{Returnval: ref}}
}

// target is a diskMove under way.
type target struct {
	diskMove
	layer layer
	job   string
}

// relocate performs a plan. On a fault everything that it has made is removed, and the machine is as it was.
func (m *machine) relocate(ctx *simulator.Context, vm *simulator.VirtualMachine, r relocation) types.BaseMethodFault {
	o := operationOf(ctx)
	o.allowCancel()
	made := &created{}
	targets, fault := made.targets(r)
	if fault == nil {
		fault = m.copyDisks(ctx, targets)
	}
	if fault == nil && !o.seal() {
		m.abandon(targets)
		fault = cancelled()
	}
	if fault != nil {
		made.remove()
		return fault
	}
	file := m.fileAfter(r, targets)
	locks, err := m.copyHome(made, r, file)
	if err != nil {
		m.abandon(targets)
		made.remove()
		return cannotCreate(r.home, err)
	}
	if fault := m.goOver(targets, made); fault != nil {
		return fault
	}
	m.settleRelocation(ctx, vm, r, targets, file, locks)
	return nil
}

// created are the files and directories that a relocation has made so far.
type created struct{ paths []string }

func (c *created) add(path string) { c.paths = append(c.paths, path) }

func (c *created) remove() {
	for _, path := range slices.Backward(c.paths) {
		_ = os.Remove(path)
	}
}

// directory makes the directory of a file.
func (c *created) directory(of place) error {
	directory := filepath.Dir(of.local)
	if exists(directory) {
		return nil
	}
	if err := os.Mkdir(directory, 0o755); err != nil {
		return err
	}
	c.add(directory)
	return of.nameNamespace()
}

// targets makes the new disks, all zeros.
func (c *created) targets(r relocation) ([]target, types.BaseMethodFault) {
	var list []target
	for _, d := range r.disks {
		err := c.directory(d.to)
		if err == nil {
			err = c.flat(d)
		}
		if err != nil {
			return nil, cannotCreate(d.to, err)
		}
		y, fault := readLayer(d.to)
		if fault != nil {
			return nil, fault
		}
		list = append(list, target{diskMove: d, layer: y, job: "move-" + y.node})
	}
	return list, nil
}

func (c *created) flat(d diskMove) error {
	base, top := d.chain[0].descriptor, d.chain.top().descriptor
	database := map[string]string{}
	for key, value := range base.Database {
		database[key] = value
	}
	delete(database, "ddb.thinProvisioned")
	if d.thin {
		database["ddb.thinProvisioned"] = "1"
	}
	extent, flat := d.to.newData(flatSuffix)
	text := vmx.FlatDescriptor(extent, top.CapacityBytes(), top.CID, database)
	c.add(d.to.local)
	if err := os.WriteFile(d.to.local, []byte(text), 0o600); err != nil {
		return err
	}
	c.add(flat)
	return makeSparse(flat, top.CapacityBytes())
}

// copyDisks fills the targets. For a machine that runs they are mirrors afterwards, kept equal until goOver or abandon.
func (m *machine) copyDisks(ctx *simulator.Context, targets []target) types.BaseMethodFault {
	o, g := operationOf(ctx), m.running()
	each := copiedPercent / float64(max(1, len(targets)))
	var err error
	if g != nil {
		err = m.startMirrors(g, targets)
	}
	for i := 0; i < len(targets) && err == nil; i++ {
		progress := o.part(float64(i)*each, float64(i+1)*each)
		if g != nil {
			err = g.AwaitMirror(ctx, targets[i].job, percentOf(progress))
			continue
		}
		file, _ := targets[i].layer.data()
		err = m.lab.images().Flatten(ctx, targets[i].chain.image(), file, progress)
	}
	if err == nil {
		return nil
	}
	if g != nil {
		m.abandon(targets)
	}
	if ctx.Err() != nil {
		return cancelled()
	}
	return cannotCreate(targets[0].to, err)
}

func (m *machine) startMirrors(g *guest.Machine, targets []target) error {
	for i, t := range targets {
		err := g.StartMirror(guest.Mirror{
			Job: t.job, From: t.chain.top().node, To: t.layer.image(), RateBytesPerSecond: m.lab.storage.rate(),
		})
		if err != nil {
			for j := i; j < len(targets); j++ {
				targets[j].job = "" // never started
			}
			return err
		}
	}
	return nil
}

// abandon ends the mirrors; the disks go on where they are.
func (m *machine) abandon(targets []target) {
	g := m.running()
	if g == nil {
		return
	}
	for _, t := range targets {
		if t.job == "" {
			continue
		}
		if err := g.CancelMirror(t.job, t.layer.node); err != nil {
			m.log("%s: %v", t.job, err)
		}
	}
}

// fileAfter is the .vmx as it will be.
func (m *machine) fileAfter(r relocation, targets []target) *vmx.File {
	file, err := vmx.Parse(m.file.Text())
	if err != nil {
		return m.file // what has been parsed once parses again
	}
	hardware, _ := file.Hardware()
	for _, d := range hardware.Disks {
		if at, fault := m.diskPlace(d); fault == nil {
			file.Set(fileKey(d), reference(r.home, at))
		}
	}
	for _, t := range targets {
		file.Set(fileKey(t.disk), reference(r.home, t.to))
	}
	if r.homeMoves {
		file.Set("uuid.location", vmx.FileUUID(m.lab.location(r.home)))
	}
	return file
}

// copyHome makes the .vmx and what lies beside it at the new place. It returns the files that are there only while the
// machine is on.
func (m *machine) copyHome(made *created, r relocation, file *vmx.File) ([]string, error) {
	if !r.homeMoves {
		return nil, nil
	}
	if err := made.directory(r.home); err != nil {
		return nil, err
	}
	for _, name := range m.homeFiles() {
		to := r.home.beside(name).local
		made.add(to)
		if err := copySparse(m.config.beside(name).local, to); err != nil {
			return nil, err
		}
	}
	made.add(r.home.local)
	if err := file.Write(r.home.local); err != nil {
		return nil, err
	}
	return m.copyLocks(made, r.home)
}

// homeFiles are the files beside the .vmx that move with it.
func (m *machine) homeFiles() []string {
	entries, err := os.ReadDir(filepath.Dir(m.config.local))
	if err != nil {
		return nil
	}
	base := strings.TrimSuffix(filepath.Base(m.config.local), ".vmx")
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || !isMachineFile(name, base) || slices.Contains([]string{".vmx", ".vmx~", ".lck", ".vswp", ".vmsn", ".vmsd"}, filepath.Ext(name)) {
			continue
		}
		names = append(names, name)
	}
	return names
}

func (m *machine) copyLocks(made *created, home place) ([]string, error) {
	m.mu.Lock()
	old := slices.Clone(m.locks)
	m.mu.Unlock()
	var locks []string
	for _, lock := range old {
		to := home.beside(filepath.Base(lock)).local
		made.add(to)
		if err := copySparse(lock, to); err != nil {
			return nil, err
		}
		locks = append(locks, to)
	}
	return locks, nil
}

// goOver lets the running machine write to the copies alone. A disk that can't ends the relocation before any other
// has gone over; after the first, those that failed stay where they are.
func (m *machine) goOver(targets []target, made *created) types.BaseMethodFault {
	g := m.running()
	if g == nil || len(targets) == 0 {
		return nil
	}
	jobs := make([]string, len(targets))
	for i, t := range targets {
		jobs[i] = t.job
	}
	done, err := g.Pivot(jobs...)
	if err == nil {
		return nil
	}
	if done < len(targets) {
		m.abandon(targets[done:])
	}
	if done == 0 {
		made.remove()
	}
	return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "The disks of %s could not go over to their copies: %v", m.name, err)
}

// settleRelocation makes the new place the machine's own and removes the old files.
func (m *machine) settleRelocation(ctx *simulator.Context, vm *simulator.VirtualMachine, r relocation, targets []target, file *vmx.File, locks []string) {
	g, oldConfig, oldHost := m.running(), m.config, m.host
	leftBehind := m.homeFiles()
	for r.flattens() && len(m.snapshots) > 0 {
		m.dropRecord(ctx, 0)
	}
	m.mu.Lock()
	oldLocks := m.locks
	m.config, m.host, m.file = r.home, r.host, file
	if r.homeMoves {
		m.locks = locks
	}
	m.mu.Unlock()
	if !r.homeMoves {
		if fault := m.writeFile(); fault != nil {
			m.log("%s", message(fault))
		}
	}
	for _, t := range targets {
		m.setChain(t.disk, chain{t.layer})
		for _, y := range slices.Backward(t.chain) {
			if g != nil {
				if err := g.CloseLayer(y.node); err != nil {
					m.log("%s stays open: %v", y.dsPath(), err)
				}
			}
			if m.lab.useOf(y.place, m) == unused {
				m.deleteLayer(y)
			}
		}
	}
	if r.homeMoves {
		removeHome(oldConfig, append(leftBehind, oldLocks...))
	}
	m.log("relocated from %s to %s", oldConfig.dsPath(), r.home.dsPath())
	m.showRelocation(ctx, vm, r, oldHost)
}

// removeHome deletes what a machine leaves at its old place, and the directory when nothing else is in it.
func removeHome(config place, names []string) {
	base := strings.TrimSuffix(filepath.Base(config.local), ".vmx")
	for _, name := range append(names, base+".vmsd", filepath.Base(config.local)) {
		_ = os.Remove(config.beside(filepath.Base(name)).local)
	}
	_ = os.Remove(filepath.Dir(config.local))
}
