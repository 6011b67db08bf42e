package vim

import (
	"errors"
	"os"
	"path"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// RegisterVMTask reads a .vmx from a datastore and adds the machine to the inventory. Faults as documented:
// InvalidDatastore (unknown, or not on the host), NotFound (no such file), AlreadyExists (registered), DuplicateName
// (the name is taken in the folder), VmConfigFault (not a .vmx), InvalidArgument (no pool).
func (f *folder) RegisterVMTask(ctx *simulator.Context, c *types.RegisterVM_Task) soap.HasFault {
	ref := f.lab.task(ctx, f.Folder, "registerVm", nil, func(own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		f.lab.registering.Lock()
		defer f.lab.registering.Unlock()
		return f.lab.register(own, f.Folder, c)
	})
	return &methods.RegisterVM_TaskBody{Res: &types.RegisterVM_TaskResponse{Returnval: ref}}
}

func (l *Lab) register(ctx *simulator.Context, into *simulator.Folder, c *types.RegisterVM_Task) (types.AnyType, types.BaseMethodFault) {
	host, pool, config, fault := l.placement(c)
	if fault != nil {
		return nil, fault
	}
	for _, m := range l.allMachines() {
		if m.config.datastore == config.datastore && m.config.path == config.path {
			return nil, localized(&types.AlreadyExists{Name: m.self.Value}, "%s is registered already, as %s", config.dsPath(), m.self.Value)
		}
	}
	file, hardware, fault := readConfig(config)
	if fault != nil {
		return nil, fault
	}
	name := firstOf(c.Name, hardware.Name, path.Base(path.Dir(config.path)))
	if fault := l.nameFree(ctx, into, name); fault != nil {
		return nil, fault
	}
	m := &machine{lab: l, host: host, config: config, name: name, file: file}
	vm := &simulator.VirtualMachine{DataSets: map[string]*simulator.DataSet{}}
	l.registry.NewEntity(vm)
	m.self = vm.Self
	if fault := m.describe(ctx, vm, hardware); fault != nil {
		return nil, fault
	}
	vm.ResourcePool = &pool
	m.readSnapshots(vm)
	l.mu.Lock()
	l.machines[m.self] = m
	l.mu.Unlock()
	l.addToInventory(ctx, into, vm, m)
	if c.Name != "" && c.Name != hardware.Name {
		file.Set("displayName", c.Name)
		if err := file.Write(config.local); err != nil {
			m.log("displayName could not be written: %v", err)
		}
	}
	return m.self, nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" && t != "." {
			return t
		}
	}
	return ""
}

// placement finds out which host is to run the machine and where its .vmx is from there.
func (l *Lab) placement(c *types.RegisterVM_Task) (host, pool types.ManagedObjectReference, config place, fault types.BaseMethodFault) {
	if c.AsTemplate {
		return host, pool, config, localized(&types.NotSupported{}, "the lab registers no templates")
	}
	if c.Pool == nil {
		return host, pool, config, localized(&types.InvalidArgument{InvalidProperty: "pool"}, "A machine needs a resource pool")
	}
	var p object.DatastorePath
	if !p.FromString(c.Path) || p.Path == "" {
		return host, pool, config, localized(&types.InvalidDatastorePath{DatastorePath: c.Path}, "Invalid datastore path '%s'", c.Path)
	}
	candidates := l.poolHosts(*c.Pool)
	if c.Host != nil {
		candidates = []types.ManagedObjectReference{*c.Host}
	}
	for _, candidate := range candidates {
		if config, found := l.locate(candidate, p.Datastore, p.Path); found {
			return candidate, *c.Pool, config, nil
		}
	}
	return host, pool, config, localized(
		&types.InvalidDatastore{Name: p.Datastore}, "The host has no datastore %s, or the path %s is not on it", p.Datastore, p.Path)
}

// poolHosts lists the hosts below the compute resource that owns a pool.
func (l *Lab) poolHosts(pool types.ManagedObjectReference) []types.ManagedObjectReference {
	for owner := pool; ; {
		switch o := l.registry.Get(owner).(type) {
		case *simulator.ClusterComputeResource:
			return o.Host
		case *mo.ComputeResource:
			return o.Host
		case mo.Entity:
			if o.Entity().Parent == nil {
				return nil
			}
			owner = *o.Entity().Parent
		default:
			return nil
		}
	}
}

func readConfig(config place) (*vmx.File, vmx.Hardware, types.BaseMethodFault) {
	file, err := vmx.Read(config.local)
	if errors.Is(err, os.ErrNotExist) {
		return nil, vmx.Hardware{}, localized(&types.NotFound{}, "The object or item referred to could not be found: %s", config.dsPath())
	}
	if errors.Is(err, vmx.ErrMalformed) {
		return nil, vmx.Hardware{}, localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%s: %v", config.dsPath(), err)
	}
	if err != nil {
		return nil, vmx.Hardware{}, localized(&types.CannotAccessFile{FileFault: types.FileFault{File: config.dsPath()}}, "Unable to access file %s: %v", config.dsPath(), err)
	}
	hardware, err := file.Hardware()
	if err != nil {
		return nil, hardware, localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%s: %v", config.dsPath(), err)
	}
	return file, hardware, nil
}

func (l *Lab) nameFree(ctx *simulator.Context, in *simulator.Folder, name string) types.BaseMethodFault {
	var children []types.ManagedObjectReference
	ctx.WithLock(in, func() { children = append(children, in.ChildEntity...) })
	if taken := l.registry.FindByName(name, children); taken != nil {
		return localized(&types.DuplicateName{Name: name, Object: taken.Reference()}, "The name '%s' already exists.", name)
	}
	return nil
}

// addToInventory makes the machine visible, complete as it is, and tells host, datastores and pool of it.
func (l *Lab) addToInventory(ctx *simulator.Context, into *simulator.Folder, vm *simulator.VirtualMachine, m *machine) {
	self := vm.Self
	host := l.registry.Get(m.host).(*simulator.HostSystem)
	ctx.Map.AppendReference(ctx, host, &host.Vm, self)
	for _, ref := range m.datastores {
		if ds, ok := l.registry.Get(ref).(*simulator.Datastore); ok {
			ctx.Map.AppendReference(ctx, ds, &ds.Vm, self)
		}
	}
	if pool, ok := l.registry.Get(*vm.ResourcePool).(*simulator.ResourcePool); ok {
		ctx.Map.AppendReference(ctx, pool, &pool.Vm, self)
	}
	ctx.WithLock(into, func() {
		ctx.WithLock(vm, func() {
			into.ChildEntity = append(into.ChildEntity, self)
			l.registry.PutEntity(into, vm)
		})
	})
}

// UnregisterVM takes a machine out of the inventory and touches none of its files.
func (v *virtualMachine) UnregisterVM(ctx *simulator.Context, c *types.UnregisterVM) soap.HasFault {
	m := v.lab.machine(v.Self)
	if m == nil {
		return v.VirtualMachine.UnregisterVM(ctx, c)
	}
	if !m.busy.TryLock() {
		return &methods.UnregisterVMBody{Fault_: simulator.Fault("another task is in progress", &types.TaskInProgress{})}
	}
	defer m.busy.Unlock()
	if fault := v.lab.unregister(ctx, v.VirtualMachine); fault != nil {
		return &methods.UnregisterVMBody{Fault_: simulator.Fault(message(fault), fault)}
	}
	return &methods.UnregisterVMBody{Res: &types.UnregisterVMResponse{}}
}

func (l *Lab) unregister(ctx *simulator.Context, vm *simulator.VirtualMachine) types.BaseMethodFault {
	var body soap.HasFault
	ctx.WithLock(vm, func() { body = vm.UnregisterVM(ctx, &types.UnregisterVM{This: vm.Self}) })
	if fault := body.Fault(); fault != nil {
		if base, ok := fault.VimFault().(types.BaseMethodFault); ok {
			return localized(base, "The machine is powered on")
		}
		return &types.InvalidPowerState{}
	}
	l.mu.Lock()
	m := l.machines[vm.Self]
	delete(l.machines, vm.Self)
	l.mu.Unlock()
	if m != nil {
		m.forgetSnapshots(ctx)
	}
	return nil
}
