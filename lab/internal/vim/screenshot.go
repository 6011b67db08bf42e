package vim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// CreateScreenshotTask writes what the machine's screen shows as a PNG beside its .vmx, and returns its path.
func (v *virtualMachine) CreateScreenshotTask(ctx *simulator.Context, _ *types.CreateScreenshot_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "createScreenshot", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		g := m.running()
		if g == nil {
			return nil, wrongState(on, state(own, v.VirtualMachine))
		}
		m.mu.Lock()
		name := fmt.Sprintf("%s-%d.png", strings.TrimSuffix(filepath.Base(m.config.local), ".vmx"), m.screenshots)
		m.screenshots++
		m.mu.Unlock()
		if err := g.Screendump(m.fileIn(name)); err != nil {
			return nil, localized(&types.CannotCreateFile{FileFault: types.FileFault{File: m.config.beside(name).dsPath()}}, "%v", err)
		}
		return m.config.beside(name).dsPath(), nil
	})
	if fault != nil {
		return &methods.CreateScreenshot_TaskBody{Fault_: fault}
	}
	return &methods.CreateScreenshot_TaskBody{Res: &types.CreateScreenshot_TaskResponse{Returnval: ref}}
}

// screen takes a picture for GET /screen.
func (l *Lab) screen(moref string) ([]byte, error) {
	m := l.machine(types.ManagedObjectReference{Type: "VirtualMachine", Value: moref})
	if m == nil {
		return nil, os.ErrNotExist
	}
	g := m.running()
	if g == nil {
		return nil, os.ErrNotExist
	}
	file := filepath.Join(l.config.Directory, "screen-"+randomHex(8)+".png")
	defer os.Remove(file)
	if err := g.Screendump(file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}
