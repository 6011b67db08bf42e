package vim

import (
	"context"
	"errors"
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// Power does what a person at the vSphere Client does: "on", "off" or "suspend". It waits for the task's end.
func (l *Lab) Power(ctx context.Context, name, to string) (MachineView, error) {
	m, err := l.find(name)
	if err != nil {
		return MachineView{}, err
	}
	vm, ok := l.registry.Get(m.self).(*simulator.VirtualMachine)
	if !ok {
		return MachineView{}, fmt.Errorf("%s is gone", name)
	}
	task, err := l.startPower(&virtualMachine{vm, l}, to)
	if err != nil {
		return MachineView{}, err
	}
	if err := l.waitTask(ctx, task); err != nil {
		return MachineView{}, err
	}
	return l.view(m), nil
}

// Destroy does what a person at the vSphere Client does: the machine is powered off, and taken out of the inventory and
// off its datastores. It waits for the task's end.
func (l *Lab) Destroy(ctx context.Context, name string) error {
	m, err := l.find(name)
	if err != nil {
		return err
	}
	if m.running() != nil {
		if _, err := l.Power(ctx, name, "off"); err != nil {
			return err
		}
	}
	vm, there := l.registry.Get(m.self).(*simulator.VirtualMachine)
	if !there {
		return fmt.Errorf("%s is gone", name)
	}
	var body *methods.Destroy_TaskBody
	own := l.context()
	own.WithLock(vm, func() {
		body = (&virtualMachine{vm, l}).DestroyTask(own, nil).(*methods.Destroy_TaskBody)
	})
	if body.Fault_ != nil {
		return errors.New(body.Fault_.String)
	}
	return l.waitTask(ctx, body.Res.Returnval)
}

// Relocate does what a person at the vSphere Client does: it moves all of a machine to a datastore, running or not, and
// to another host when one is named. It waits for the task's end.
func (l *Lab) Relocate(ctx context.Context, name, datastore, host string) (MachineView, error) {
	m, err := l.find(name)
	if err != nil {
		return MachineView{}, err
	}
	vm, there := l.registry.Get(m.self).(*simulator.VirtualMachine)
	ds := l.datastoreByName(datastore)
	if !there || ds == nil {
		return MachineView{}, fmt.Errorf("%s or the datastore %q is not there", name, datastore)
	}
	spec := types.VirtualMachineRelocateSpec{Datastore: &ds.Self}
	for _, h := range l.hosts() {
		if host != "" && (h.Name == host || h.Self.Value == host) {
			spec.Host = &h.Self
		}
	}
	if host != "" && spec.Host == nil {
		return MachineView{}, fmt.Errorf("there is no host %q", host)
	}
	var body *methods.RelocateVM_TaskBody
	own := l.context()
	own.WithLock(vm, func() {
		body = (&virtualMachine{vm, l}).RelocateVMTask(own, &types.RelocateVM_Task{Spec: spec}).(*methods.RelocateVM_TaskBody)
	})
	if body.Fault_ != nil {
		return MachineView{}, errors.New(body.Fault_.String)
	}
	if err := l.waitTask(ctx, body.Res.Returnval); err != nil {
		return MachineView{}, err
	}
	return l.view(m), nil
}

func (l *Lab) startPower(v *virtualMachine, to string) (task types.ManagedObjectReference, err error) {
	own := l.context()
	own.WithLock(v.VirtualMachine, func() {
		switch to {
		case "on":
			if body := v.PowerOnVMTask(own, nil).(*methods.PowerOnVM_TaskBody); body.Fault_ != nil {
				err = errors.New(body.Fault_.String)
			} else {
				task = body.Res.Returnval
			}
		case "off":
			if body := v.PowerOffVMTask(own, nil).(*methods.PowerOffVM_TaskBody); body.Fault_ != nil {
				err = errors.New(body.Fault_.String)
			} else {
				task = body.Res.Returnval
			}
		case "suspend":
			if body := v.SuspendVMTask(own, nil).(*methods.SuspendVM_TaskBody); body.Fault_ != nil {
				err = errors.New(body.Fault_.String)
			} else {
				task = body.Res.Returnval
			}
		default:
			err = fmt.Errorf("unknown power state %q: on, off or suspend", to)
		}
	})
	return task, err
}

// waitTask waits for a task of ours and returns what it failed with.
func (l *Lab) waitTask(ctx context.Context, ref types.ManagedObjectReference) error {
	t := l.registry.Get(ref).(*simulator.Task)
	own := l.context()
	for {
		var info types.TaskInfo
		own.WithLock(t, func() { info = t.Info })
		switch info.State {
		case types.TaskInfoStateSuccess:
			return nil
		case types.TaskInfoStateError:
			return errors.New(info.Error.LocalizedMessage)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.pause():
		}
	}
}
