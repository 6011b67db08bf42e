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

// deleteDisk removes a disk with all its layers, but those that another machine uses.
func (m *machine) deleteDisk(d vmx.Disk) {
	c, fault := m.chainOf(d)
	if fault != nil {
		return
	}
	for i := len(c) - 1; i >= 0; i-- {
		if m.lab.useOf(c[i].place, m) != unused {
			return
		}
		m.deleteLayer(c[i])
	}
}

// deleteLayer removes one layer's files, and its directory when that is not the machine's and nothing else is in it.
func (m *machine) deleteLayer(y layer) {
	for _, file := range y.files() {
		_ = os.Remove(file)
	}
	if directory := filepath.Dir(y.local); directory != filepath.Dir(m.config.local) {
		_ = os.Remove(directory)
	}
}

func isMachineFile(name, base string) bool {
	if strings.HasPrefix(name, "vmware") && strings.HasSuffix(name, ".log") {
		return true
	}
	if !strings.HasPrefix(name, base) {
		return false
	}
	for _, suffix := range []string{".vmx", ".vmx~", ".vmx.lck", ".vmxf", ".vmsd", ".vmsn", ".nvram", ".vswp", ".vmss", ".hlog", ".png"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}
