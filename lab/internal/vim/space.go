package vim

import (
	"fmt"
	"path"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
)

// The choices of msg.hbacommon.outofspace, as ESXi numbers them.
const (
	answerRetry     = "0"
	answerTerminate = "1"
)

// askForSpace asks what becomes of a guest whose write found no space: it stands still until somebody has made room
// and says retry, or says cancel, which powers it off.
func (m *machine) askForSpace(ctx *simulator.Context, vm *simulator.VirtualMachine, g *guest.Machine, node string) {
	disk := m.diskOf(node)
	m.log("no space for a write to %s: the guest stands still", disk)
	chosen := m.ask(ctx, vm, outOfSpace(disk), g.Ended())
	switch {
	case m.running() != g:
	case chosen == answerRetry:
		m.stallWhereFull(m.lab.storage.isFull)
		if err := g.Continue(); err != nil {
			m.log("the guest does not go on: %v", err)
		}
	case chosen == answerTerminate:
		m.busy.Lock()
		defer m.busy.Unlock()
		if fault := m.powerOff(ctx, vm); fault != nil {
			m.log("not powered off: %s", message(fault))
		}
	}
}

func outOfSpace(disk string) types.VirtualMachineQuestionInfo {
	text := fmt.Sprintf("There is no more space for virtual disk '%s'. You might be able to continue this session by freeing "+
		"disk space on the relevant volume, and clicking Retry. Click Cancel to terminate this session.", disk)
	return types.VirtualMachineQuestionInfo{
		Text: "msg.hbacommon.outofspace:" + text,
		Choice: types.ChoiceOption{
			ChoiceInfo: []types.BaseElementDescription{
				choice(answerRetry, "button.retry", "Retry"), choice(answerTerminate, "button.abort", "Cancel"),
			},
		},
		Message: []types.VirtualMachineMessage{{Id: "msg.hbacommon.outofspace", Text: text}},
	}
}

// diskOf is the name of the disk that has a node open.
func (m *machine) diskOf(node string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.chains {
		for _, y := range c {
			if y.node == node {
				return path.Base(y.path)
			}
		}
	}
	return node
}

// stallWhereFull lets a machine that runs stand still when it next writes to a disk on a datastore that is full. A
// network datastore says by itself when it has no space.
func (m *machine) stallWhereFull(full func(datastore string) bool) {
	g := m.running()
	if g == nil {
		return
	}
	m.mu.Lock()
	var nodes []string
	for _, c := range m.chains {
		if top := c.top(); !top.network && full(top.datastore.Name) {
			nodes = append(nodes, top.node)
		}
	}
	m.mu.Unlock()
	for _, node := range nodes {
		if err := g.StallAtNextWrite(node); err != nil {
			m.log("%s: %v", node, err)
		}
	}
}
