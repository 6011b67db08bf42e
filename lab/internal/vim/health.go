package vim

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
)

const healthInterval = 2 * time.Second

// watch follows a guest to its end: heartbeat and Tools while it runs, and powered off when it ends by itself.
func (m *machine) watch(vm *simulator.VirtualMachine, g *guest.Machine) {
	ctx := m.lab.context()
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	shown := guest.Gray
	for {
		changed := g.Changed()
		if health := g.Health(); health != shown && m.running() == g {
			shown = health
			m.publishHealth(ctx, vm, health)
		}
		select {
		case <-g.Ended():
			m.endedByItself(ctx, vm, g)
			return
		case node := <-g.Stalled():
			go m.askForSpace(ctx, vm, g, node)
		case <-changed:
		case <-ticker.C:
		}
	}
}

// endedByItself is for a guest that shut down or died without a task of ours having ended it.
func (m *machine) endedByItself(ctx *simulator.Context, vm *simulator.VirtualMachine, g *guest.Machine) {
	m.mu.Lock()
	own := m.guest == g
	if own {
		m.guest = nil
	}
	m.mu.Unlock()
	if !own {
		return
	}
	m.removeRuntimeFiles()
	m.log("the guest powered itself down")
	m.publishPower(ctx, vm, off)
}

// publishHealth shows what VMware Tools would tell.
func (m *machine) publishHealth(ctx *simulator.Context, vm *simulator.VirtualMachine, health guest.Health) {
	tools, running, guestState := types.VirtualMachineToolsStatusToolsNotRunning,
		types.VirtualMachineToolsRunningStatusGuestToolsNotRunning, types.VirtualMachineGuestStateNotRunning
	if health == guest.Green || health == guest.Yellow {
		tools, running, guestState = types.VirtualMachineToolsStatusToolsOk,
			types.VirtualMachineToolsRunningStatusGuestToolsRunning, types.VirtualMachineGuestStateRunning
	}
	beat := types.ManagedEntityStatus(health)
	operations := health == guest.Green
	ctx.Map.AtomicUpdate(ctx, vm, []types.PropertyChange{
		{Name: "guestHeartbeatStatus", Val: beat}, {Name: "summary.quickStats.guestHeartbeatStatus", Val: beat},
		{Name: "guest.toolsStatus", Val: tools}, {Name: "summary.guest.toolsStatus", Val: tools},
		{Name: "guest.toolsRunningStatus", Val: string(running)}, {Name: "summary.guest.toolsRunningStatus", Val: string(running)},
		{Name: "guest.guestState", Val: string(guestState)}, {Name: "guest.guestOperationsReady", Val: operations},
	})
}
