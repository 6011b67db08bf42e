package vim

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// showRelocation publishes the new place.
func (m *machine) showRelocation(ctx *simulator.Context, vm *simulator.VirtualMachine, r relocation, oldHost types.ManagedObjectReference) {
	m.showStorage(ctx, vm)
	l := m.lab
	if r.host != oldHost {
		from, to := l.registry.Get(oldHost).(*simulator.HostSystem), l.registry.Get(r.host).(*simulator.HostSystem)
		ctx.WithLock(from, func() { from.Vm = without(from.Vm, m.self) })
		ctx.WithLock(to, func() { to.Vm = append(without(to.Vm, m.self), m.self) })
		ctx.Map.AtomicUpdate(ctx, vm, []types.PropertyChange{{Name: "runtime.host", Val: &r.host}, {Name: "summary.runtime.host", Val: &r.host}})
	}
	if r.pool != nil {
		l.moveToPool(ctx, vm, *r.pool)
	}
	if r.folder != nil {
		l.moveToFolder(ctx, vm, *r.folder)
	}
	if len(r.cards) > 0 {
		if fault := m.reconfigure(ctx, vm, types.VirtualMachineConfigSpec{DeviceChange: r.cards}); fault != nil {
			m.log("the network cards are as they were: %s", message(fault))
		}
	}
}

func (l *Lab) moveToPool(ctx *simulator.Context, vm *simulator.VirtualMachine, to types.ManagedObjectReference) {
	var old *types.ManagedObjectReference
	ctx.WithLock(vm, func() { old = vm.ResourcePool })
	if old != nil {
		if pool, ok := l.registry.Get(*old).(*simulator.ResourcePool); ok {
			ctx.WithLock(pool, func() { pool.Vm = without(pool.Vm, vm.Self) })
		}
	}
	if pool, ok := l.registry.Get(to).(*simulator.ResourcePool); ok {
		ctx.WithLock(pool, func() { pool.Vm = append(without(pool.Vm, vm.Self), vm.Self) })
	}
	ctx.Map.AtomicUpdate(ctx, vm, []types.PropertyChange{{Name: "resourcePool", Val: &to}})
}

func (l *Lab) moveToFolder(ctx *simulator.Context, vm *simulator.VirtualMachine, to types.ManagedObjectReference) {
	if from, ok := l.registry.Get(*vm.Parent).(*simulator.Folder); ok {
		ctx.WithLock(from, func() {
			ctx.Update(from, []types.PropertyChange{{Name: "childEntity", Val: without(from.ChildEntity, vm.Self)}})
		})
	}
	if folder, ok := l.registry.Get(to).(*simulator.Folder); ok {
		ctx.WithLock(folder, func() {
			ctx.Update(folder, []types.PropertyChange{{Name: "childEntity", Val: append(without(folder.ChildEntity, vm.Self), vm.Self)}})
		})
	}
	ctx.Map.AtomicUpdate(ctx, vm, []types.PropertyChange{{Name: "parent", Val: &to}})
}
