package vim

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// What a lab machine can't do, it refuses with NotSupported. The simulator's own methods would change references and
// leave the files and the guest as they are, which no host does.

func notSupported(text string) *soap.Fault { return simulator.Fault(text, &types.NotSupported{}) }

const (
	noVCenter = "The operation is not supported on the object: it needs a vCenter."
	notYet    = "The operation is not supported by the lab."
)

// CloneVMTask is a vCenter's.
func (v *virtualMachine) CloneVMTask(*simulator.Context, *types.CloneVM_Task) soap.HasFault {
	return &methods.CloneVM_TaskBody{Fault_: notSupported(v.lab.onlyVCenter())}
}

func (l *Lab) onlyVCenter() string {
	if l.config.Model == "esx" {
		return noVCenter
	}
	return notYet
}

// CreateVMTask is refused: the lab makes machines from files (RegisterVM) alone.
func (f *folder) CreateVMTask(*simulator.Context, *types.CreateVM_Task) soap.HasFault {
	return &methods.CreateVM_TaskBody{Fault_: notSupported(notYet)}
}
