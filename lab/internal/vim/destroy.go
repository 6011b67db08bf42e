package vim

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// DestroyTask unregisters the machine and deletes its files: its disks wherever they are, and what a host makes beside
// a .vmx. The directory goes when nothing else is in it.
func (v *virtualMachine) DestroyTask(ctx *simulator.Context, _ *types.Destroy_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "destroy", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		if fault := m.lab.unregister(own, v.VirtualMachine); fault != nil {
			return nil, fault
		}
		m.deleteFiles()
		return nil, nil
	})
	if fault != nil {
		return &methods.Destroy_TaskBody{Fault_: fault}
	}
	return &methods.Destroy_TaskBody{Res: &types.Destroy_TaskResponse{Returnval: ref}}
}

func (m *machine) deleteFiles() {
	directory := filepath.Dir(m.config.local)
	if hardware, err := m.file.Hardware(); err == nil {
		for _, d := range hardware.Disks {
			m.deleteDisk(d)
		}
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return
	}
	base := strings.TrimSuffix(filepath.Base(m.config.local), ".vmx")
	for _, e := range entries {
		if isMachineFile(e.Name(), base) {
			_ = os.Remove(filepath.Join(directory, e.Name()))
		}
	}
	_ = os.Remove(directory)
}

func (m *machine) deleteDisk(d vmx.Disk) {
	at, fault := m.diskPlace(d)
	if fault != nil {
		return
	}
	if descriptor, err := vmx.ReadDescriptor(at.local); err == nil {
		for _, e := range descriptor.Extents {
			if !filepath.IsAbs(e.File) && e.File != "" {
				_ = os.Remove(filepath.Join(filepath.Dir(at.local), e.File))
			}
		}
	}
	_ = os.Remove(at.local)
	if filepath.Dir(at.local) != filepath.Dir(m.config.local) {
		_ = os.Remove(filepath.Dir(at.local)) // when it is empty
	}
}

func isMachineFile(name, base string) bool {
	if strings.HasPrefix(name, "vmware") && strings.HasSuffix(name, ".log") {
		return true
	}
	if !strings.HasPrefix(name, base) {
		return false
	}
	for _, suffix := range []string{".vmx", ".vmx~", ".vmx.lck", ".vmxf", ".vmsd", ".nvram", ".vswp", ".vmss", ".hlog", ".png"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}
