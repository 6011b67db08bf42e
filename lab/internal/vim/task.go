package vim

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// taskBody does a task's work with a Context of its own and returns the task's result.
type taskBody func(ctx *simulator.Context) (types.AnyType, types.BaseMethodFault)

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
	t.Info.Reason = &types.TaskReasonUser{UserName: ctx.Session.UserName}
	ctx.Map.Put(t)

	own := l.context()
	own.Session = ctx.Session
	go func() {
		var result types.AnyType
		fault := l.server.faults.task(method)
		if fault == nil {
			result, fault = body(own)
		}
		if before != nil {
			before()
		}
		changes := []types.PropertyChange{{Name: "info.completeTime", Val: time.Now()}}
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
		own.Map.AtomicUpdate(own, t, changes)
	}()
	return t.Self
}
