package vim

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
)

const (
	on        = types.VirtualMachinePowerStatePoweredOn
	off       = types.VirtualMachinePowerStatePoweredOff
	suspended = types.VirtualMachinePowerStateSuspended
)

// exclusive starts a task that changes the machine; while one runs, a second is refused with TaskInProgress.
func (v *virtualMachine) exclusive(ctx *simulator.Context, method string, body func(*machine, *simulator.Context) (types.AnyType, types.BaseMethodFault)) (types.ManagedObjectReference, *soap.Fault) {
	m := v.lab.machine(v.Self)
	if m == nil {
		return v.Self, simulator.Fault("not a machine of the lab", &types.ManagedObjectNotFound{Obj: v.Self})
	}
	if !m.busy.TryLock() {
		return v.Self, simulator.Fault("Another task is already in progress.", &types.TaskInProgress{})
	}
	if fault := m.pending(); fault != nil {
		m.busy.Unlock()
		return v.Self, simulator.Fault(message(fault), fault)
	}
	ref := v.lab.task(ctx, v.VirtualMachine, method, m.busy.Unlock, func(own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		return body(m, own)
	})
	return ref, nil
}

// PowerOnVMTask starts the machine, or resumes one that is suspended.
func (v *virtualMachine) PowerOnVMTask(ctx *simulator.Context, _ *types.PowerOnVM_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "powerOn", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		return nil, m.powerOn(own, v.VirtualMachine)
	})
	if fault != nil {
		return &methods.PowerOnVM_TaskBody{Fault_: fault}
	}
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: ref}}
}

// PowerOffVMTask pulls the plug; a suspended machine loses its saved state.
func (v *virtualMachine) PowerOffVMTask(ctx *simulator.Context, _ *types.PowerOffVM_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "powerOff", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		return nil, m.powerOff(own, v.VirtualMachine)
	})
	if fault != nil {
		return &methods.PowerOffVM_TaskBody{Fault_: fault}
	}
	return &methods.PowerOffVM_TaskBody{Res: &types.PowerOffVM_TaskResponse{Returnval: ref}}
}

// ResetVMTask presses the reset button.
func (v *virtualMachine) ResetVMTask(ctx *simulator.Context, _ *types.ResetVM_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "reset", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		g := m.running()
		if g == nil {
			return nil, wrongState(on, state(own, v.VirtualMachine))
		}
		if err := g.Reset(); err != nil {
			return nil, localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%v", err)
		}
		return nil, nil
	})
	if fault != nil {
		return &methods.ResetVM_TaskBody{Fault_: fault}
	}
	return &methods.ResetVM_TaskBody{Res: &types.ResetVM_TaskResponse{Returnval: ref}}
}

// ShutdownGuest asks the guest's operating system to shut down, and does not wait. ToolsUnavailable unless it runs.
func (v *virtualMachine) ShutdownGuest(ctx *simulator.Context, _ *types.ShutdownGuest) soap.HasFault {
	m := v.lab.machine(v.Self)
	fail := func(fault types.BaseMethodFault) soap.HasFault {
		return &methods.ShutdownGuestBody{Fault_: simulator.Fault(message(fault), fault)}
	}
	if m == nil || m.running() == nil {
		return fail(wrongState(on, v.Runtime.PowerState))
	}
	if health := m.running().Health(); health == guest.Gray || health == guest.Red {
		return fail(localized(&types.ToolsUnavailable{}, "VMware Tools is not running in this virtual machine."))
	}
	g := m.running()
	go g.Halt()
	return &methods.ShutdownGuestBody{Res: &types.ShutdownGuestResponse{}}
}

func state(ctx *simulator.Context, vm *simulator.VirtualMachine) (s types.VirtualMachinePowerState) {
	ctx.WithLock(vm, func() { s = vm.Runtime.PowerState })
	return s
}

func wrongState(requested, existing types.VirtualMachinePowerState) types.BaseMethodFault {
	return localized(&types.InvalidPowerState{RequestedState: requested, ExistingState: existing},
		"The attempted operation cannot be performed in the current state (%s).", existing)
}

func (m *machine) powerOn(ctx *simulator.Context, vm *simulator.VirtualMachine) types.BaseMethodFault {
	before := state(ctx, vm)
	if before == on {
		return wrongState(on, before)
	}
	host := m.lab.registry.Get(m.host).(*simulator.HostSystem)
	maintenance := false
	ctx.WithLock(host, func() { maintenance = host.Runtime.InMaintenanceMode })
	if maintenance {
		return localized(&types.InvalidState{}, "The host is in maintenance mode.")
	}
	if fault := m.reread(ctx, vm, before); fault != nil {
		return fault
	}
	spec, chains, fault := m.spec(ctx, vm)
	if fault != nil {
		return fault
	}
	if before == suspended {
		state, fault := m.stateFile()
		if fault != nil {
			return fault
		}
		spec.StateFile = state.local
	}
	if fault := m.makeRuntimeFiles(spec.MemoryMiB); fault != nil {
		m.removeRuntimeFiles()
		return fault
	}
	g, err := guest.Start(m.lab.children, spec)
	if err != nil {
		m.removeRuntimeFiles()
		return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%v", err)
	}
	if spec.StateFile != "" {
		m.forgetState(spec.StateFile)
	}
	m.mu.Lock()
	m.guest, m.chains = g, chains
	m.mu.Unlock()
	m.log("powered on (QEMU %d)", g.PID())
	m.publishPower(ctx, vm, on)
	m.stallWhereFull(m.lab.storage.isFull)
	go m.watch(vm, g)
	return nil
}

// spec turns the machine's properties into QEMU's.
func (m *machine) spec(ctx *simulator.Context, vm *simulator.VirtualMachine) (guest.Spec, map[int32]chain, types.BaseMethodFault) {
	hardware, err := m.file.Hardware()
	if err != nil {
		return guest.Spec{}, nil, localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%v", err)
	}
	if hardware.Firmware == "efi" {
		return guest.Spec{}, nil, localized(&types.GenericVmConfigFault{Reason: "efi"}, "The lab's machines have a BIOS; this one wants EFI")
	}
	s := guest.Spec{
		Name: m.name, MemoryMiB: hardware.MemoryMiB, CPUs: hardware.CPUs, Accelerator: m.lab.config.Accelerator,
	}
	ctx.WithLock(vm, func() {
		s.UUID = vm.Config.Uuid
		s.NICs = nicSpecs(vm.Config.Hardware.Device)
	})
	for _, c := range hardware.Controllers {
		s.Controllers = append(s.Controllers, guest.Controller{Kind: c.Kind, Bus: c.Bus, Model: c.Model})
	}
	disks, chains, fault := m.diskSpecs(hardware.Disks)
	s.Disks = disks
	return s, chains, fault
}

// makeRuntimeFiles makes what lies beside the .vmx while the machine is on: NAME.vmx.lck and the swap file, sparse and
// as large as the memory.
func (m *machine) makeRuntimeFiles(memoryMiB int64) types.BaseMethodFault {
	base := strings.TrimSuffix(m.config.local, ".vmx")
	swap := fmt.Sprintf("%s-%s.vswp", base, locationUUID(m.lab.location(m.config))[:8])
	m.mu.Lock()
	m.locks = []string{m.config.local + ".lck", swap}
	m.mu.Unlock()
	err := os.WriteFile(m.config.local+".lck", []byte(m.lab.config.Directory+"\n"), 0o600)
	if err == nil {
		err = os.WriteFile(swap, nil, 0o600)
	}
	if err == nil {
		err = os.Truncate(swap, memoryMiB<<20)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return localized(&types.NoDiskSpace{FileFault: types.FileFault{File: m.config.dsPath()}, Datastore: m.config.datastore.Name},
			"Insufficient disk space on datastore '%s'.", m.config.datastore.Name)
	}
	return localized(&types.CannotCreateFile{FileFault: types.FileFault{File: m.config.dsPath()}}, "Cannot create a file in %s: %v", m.config.dsPath(), err)
}

func (m *machine) removeRuntimeFiles() {
	m.mu.Lock()
	files := m.locks
	m.locks, m.chains = nil, nil
	m.mu.Unlock()
	for _, f := range files {
		_ = os.Remove(f)
	}
}

func (m *machine) powerOff(ctx *simulator.Context, vm *simulator.VirtualMachine) types.BaseMethodFault {
	before := state(ctx, vm)
	if before == off {
		return wrongState(off, before)
	}
	if before == suspended {
		if state, fault := m.stateFile(); fault == nil {
			m.forgetState(state.local)
		}
	}
	if g := m.takeGuest(); g != nil && !g.Kill() {
		m.mu.Lock()
		m.guest = g
		m.mu.Unlock()
		return localized(&types.Timedout{}, "QEMU hangs in a read or write of its datastore and can not be ended now")
	}
	m.removeRuntimeFiles()
	m.log("powered off")
	m.publishPower(ctx, vm, off)
	return nil
}

// publishPower shows a new power state and what follows from it. Tools starts at "not running": the guest's own
// signs of life change that.
func (m *machine) publishPower(ctx *simulator.Context, vm *simulator.VirtualMachine, to types.VirtualMachinePowerState) {
	var boot any
	if to == on {
		boot = time.Now()
	}
	ctx.WithLock(vm, func() {
		devices := copyDevices(vm.Config.Hardware.Device)
		for _, d := range devices {
			if c := d.GetVirtualDevice().Connectable; c != nil {
				connectable := *c
				connectable.Connected = to == on && c.StartConnected
				connectable.Status = "ok"
				d.GetVirtualDevice().Connectable = &connectable
			}
		}
		ctx.Update(vm, []types.PropertyChange{
			{Name: "runtime.powerState", Val: to}, {Name: "summary.runtime.powerState", Val: to},
			{Name: "runtime.bootTime", Val: boot}, {Name: "summary.runtime.bootTime", Val: boot},
			{Name: "config.hardware.device", Val: devices},
		})
	})
	m.publishHealth(ctx, vm, guest.Gray)
}
