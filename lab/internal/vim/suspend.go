package vim

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/vmx"
)

// SuspendVMTask writes the machine's state into NAME-xxxxxxxx.vmss beside the .vmx and ends it; powering on resumes.
func (v *virtualMachine) SuspendVMTask(ctx *simulator.Context, _ *types.SuspendVM_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "suspend", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		return nil, m.suspend(own, v.VirtualMachine)
	})
	if fault != nil {
		return &methods.SuspendVM_TaskBody{Fault_: fault}
	}
	return &methods.SuspendVM_TaskBody{Res: &types.SuspendVM_TaskResponse{Returnval: ref}}
}

func (m *machine) suspend(ctx *simulator.Context, vm *simulator.VirtualMachine) types.BaseMethodFault {
	g := m.takeGuest()
	if g == nil {
		return wrongState(on, state(ctx, vm))
	}
	name := fmt.Sprintf("%s-%s.vmss", strings.TrimSuffix(filepath.Base(m.config.local), ".vmx"), randomHex(4))
	if err := g.Suspend(m.fileIn(name)); err != nil {
		m.keepRunning(vm, g)
		if errors.Is(err, syscall.ENOSPC) {
			return localized(&types.NoDiskSpace{Datastore: m.config.datastore.Name}, "%v", err)
		}
		return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "The machine could not be suspended: %v", err)
	}
	m.file.Set("checkpoint.vmState", name)
	if err := m.file.Write(m.config.local); err != nil {
		m.log("checkpoint.vmState could not be written: %v", err)
	}
	m.removeRuntimeFiles()
	m.log("suspended to %s", name)
	m.publishPower(ctx, vm, suspended)
	return nil
}

// keepRunning takes a guest back whose suspension failed.
func (m *machine) keepRunning(vm *simulator.VirtualMachine, g *guest.Machine) {
	m.mu.Lock()
	m.guest = g
	m.mu.Unlock()
	go m.watch(vm, g)
}

// stateFile finds the saved state of a suspended machine: beside the .vmx, or anywhere by an absolute path.
func (m *machine) stateFile() (place, types.BaseMethodFault) {
	name := m.file.Get("checkpoint.vmState")
	datastore, inside, err := vmx.DatastorePath(name, m.config.datastore.Name, path.Dir(m.config.path))
	if err != nil {
		return place{}, localized(&types.GenericVmConfigFault{Reason: err.Error()}, "checkpoint.vmState: %v", err)
	}
	at, found := m.lab.locate(m.host, datastore, inside)
	if name == "" || !found || !exists(at.local) {
		return place{}, localized(&types.FileNotFound{FileFault: types.FileFault{File: name}}, "The saved state %s was not found", name)
	}
	return at, nil
}

// forgetState removes the saved state of a machine that has resumed, or was powered off.
func (m *machine) forgetState(stateFile string) {
	m.file.Remove("checkpoint.vmState")
	if err := m.file.Write(m.config.local); err != nil {
		m.log("checkpoint.vmState could not be removed: %v", err)
	}
	_ = os.Remove(stateFile)
}
