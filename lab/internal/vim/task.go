package vim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// taskBody does a task's work with a Context of its own and returns the task's result. operationOf(ctx) is where it
// tells how far it is.
type taskBody func(ctx *simulator.Context) (types.AnyType, types.BaseMethodFault)

// descriptions are the names of tasks in TaskInfo.descriptionId, where they are not those of their methods.
var descriptions = map[string]string{
	"consolidateVMDisks": "consolidateDisks", "reconfigVm": "reconfigure", "relocateVm": "relocate",
}

// firstTaskID keeps our tasks' names apart from the simulator's.
const firstTaskID = 900_000

// task starts a task that holds no object's lock while it runs, so that properties can be read meanwhile. (The
// simulator's own tasks hold their entity's lock to the end.) before runs when the work is done and before anybody
// can see that: it frees what the next task needs.
func (l *Lab) task(ctx *simulator.Context, entity mo.Entity, method string, before func(), body taskBody) types.ManagedObjectReference {
	t := simulator.CreateTask(entity, method, nil)
	l.mu.Lock()
	l.taskID++
	t.Self = types.ManagedObjectReference{Type: "Task", Value: fmt.Sprintf("task-%d", firstTaskID+l.taskID)}
	l.mu.Unlock()
	now := time.Now()
	t.Info.Key, t.Info.Task, t.Info.State, t.Info.StartTime = t.Self.Value, t.Self, types.TaskInfoStateRunning, &now
	t.Info.EntityName = entity.Entity().Name
	t.Info.DescriptionId = fmt.Sprintf("%s.%s", t.Info.Entity.Type, firstOf(descriptions[method], method))
	t.Info.Reason = &types.TaskReasonUser{UserName: ctx.Session.UserName}
	own := l.context()
	own.Session = ctx.Session
	o := newOperation(own, t)
	l.mu.Lock()
	l.operations[t.Self] = o
	l.mu.Unlock()
	ctx.Map.Put(t)
	go func() {
		var result types.AnyType
		fault := l.server.faults.task(method)
		if fault == nil {
			result, fault = body(own)
		}
		o.seal()
		if before != nil {
			before()
		}
		o.publish(result, fault)
		l.mu.Lock()
		delete(l.operations, t.Self)
		l.mu.Unlock()
	}()
	return t.Self
}

// operation is a task that runs: where its work says how far it is, and hears that it is to end.
type operation struct {
	ctx    *simulator.Context
	task   *simulator.Task
	cancel context.CancelFunc

	mu         sync.Mutex
	percent    int32
	cancelable bool
}

type operationKey struct{}

// newOperation makes ctx the operation's: ctx ends when the task is cancelled.
func newOperation(ctx *simulator.Context, t *simulator.Task) *operation {
	o := &operation{ctx: ctx, task: t}
	cancelled, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	ctx.Context = context.WithValue(cancelled, operationKey{}, o)
	return o
}

func operationOf(ctx *simulator.Context) *operation {
	o, _ := ctx.Value(operationKey{}).(*operation)
	return o
}

// progress shows how much is done, in percent; it never goes back.
func (o *operation) progress(percent float64) {
	whole := min(99, int32(percent))
	o.mu.Lock()
	further := whole > o.percent
	if further {
		o.percent = whole
	}
	o.mu.Unlock()
	if further {
		o.ctx.Map.AtomicUpdate(o.ctx, o.task, []types.PropertyChange{{Name: "info.progress", Val: whole}})
	}
}

// part is progress between two percentages, for one step of several.
func (o *operation) part(from, to float64) func(percent float64) {
	return func(percent float64) { o.progress(from + (to-from)*percent/100) }
}

// allowCancel lets CancelTask end the operation until seal.
func (o *operation) allowCancel() {
	o.mu.Lock()
	o.cancelable = true
	o.mu.Unlock()
	o.ctx.Map.AtomicUpdate(o.ctx, o.task, []types.PropertyChange{{Name: "info.cancelable", Val: true}})
}

// seal is the point of no return. False: the operation was cancelled before.
func (o *operation) seal() bool {
	o.mu.Lock()
	o.cancelable = false
	o.mu.Unlock()
	return o.ctx.Err() == nil
}

func (o *operation) publish(result types.AnyType, fault types.BaseMethodFault) {
	changes := []types.PropertyChange{{Name: "info.completeTime", Val: time.Now()}, {Name: "info.cancelable", Val: false}}
	if fault == nil {
		changes = append(changes,
			types.PropertyChange{Name: "info.progress", Val: int32(100)},
			types.PropertyChange{Name: "info.result", Val: result},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateSuccess})
	} else {
		changes = append(changes,
			types.PropertyChange{Name: "info.error", Val: types.LocalizedMethodFault{Fault: fault, LocalizedMessage: message(fault)}},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateError})
	}
	o.ctx.Map.AtomicUpdate(o.ctx, o.task, changes)
}

// cancelled is what a task that was cancelled ends with.
func cancelled() types.BaseMethodFault {
	return localized(&types.RequestCanceled{}, "The task was canceled by a user.")
}

type task struct {
	*simulator.Task
	lab *Lab
}

func (*task) ofLab() {}

// CancelTask ends a task before its point of no return: InvalidState when it has finished, NotSupported when it can't
// be cancelled (any more).
func (t *task) CancelTask(ctx *simulator.Context, _ *types.CancelTask) soap.HasFault {
	fail := func(fault types.BaseMethodFault) soap.HasFault {
		return &methods.CancelTaskBody{Fault_: simulator.Fault(message(fault), fault)}
	}
	t.lab.mu.Lock()
	o := t.lab.operations[t.Self]
	t.lab.mu.Unlock()
	if o == nil || t.Info.State == types.TaskInfoStateSuccess || t.Info.State == types.TaskInfoStateError {
		return fail(localized(&types.InvalidState{}, "The task has finished."))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.cancelable {
		return fail(localized(&types.NotSupported{}, "The task can not be canceled."))
	}
	o.cancel()
	ctx.Update(t.Task, []types.PropertyChange{{Name: "info.cancelled", Val: true}})
	return &methods.CancelTaskBody{Res: &types.CancelTaskResponse{}}
}
