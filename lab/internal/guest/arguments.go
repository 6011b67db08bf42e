package guest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Spec is the machine that QEMU is to be.
type Spec struct {
	Name      string
	UUID      string
	MemoryMiB int64
	CPUs      int32
	// Accelerator is "tcg" or "kvm".
	Accelerator string
	Controllers []Controller
	Disks       []Disk
	NICs        []NIC
	// StateFile, when set, is where a suspended machine's memory is read from instead of booting.
	StateFile string
}

// Controller is a disk controller: Kind is scsi, sata, nvme or ide; Model is the SCSI model's VMware name.
type Controller struct {
	Kind  string
	Bus   int
	Model string
}

// NIC is a network card on a wire that leads nowhere.
type NIC struct {
	ID, Model, MAC string
	Connected      bool
}

const (
	minMemoryMiB = 128
	serialFD     = 3 // the first of exec.Cmd.ExtraFiles
	monitorFD    = 4
)

var scsiModels = map[string]string{
	"": "lsi53c895a", "lsilogic": "lsi53c895a", "buslogic": "lsi53c895a", "lsisas1068": "mptsas1068", "pvscsi": "pvscsi",
}

var nicModels = map[string]string{"": "vmxnet3", "vmxnet3": "vmxnet3", "e1000": "e1000", "e1000e": "e1000e", "vlance": "pcnet"}

// UsableAccelerator is kvm where this processor and user can, else tcg. A /dev/kvm alone proves nothing: without the
// processor's own support it exists and fails in the guest's first instructions.
func UsableAccelerator() string {
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !(strings.Contains(string(cpu), " vmx ") || strings.Contains(string(cpu), " svm ")) {
		return "tcg"
	}
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return "tcg"
	}
	_ = kvm.Close()
	return "kvm"
}

func (s Spec) arguments() ([]string, error) {
	a := []string{
		"-name", "guest=" + strings.ReplaceAll(s.Name, ",", ",,"), "-nodefaults", "-no-user-config",
		"-machine", "pc", "-accel", s.Accelerator, "-accel", "tcg",
		"-m", strconv.FormatInt(max(minMemoryMiB, s.MemoryMiB), 10), "-smp", strconv.Itoa(int(max(1, s.CPUs))),
		"-vga", "std", "-display", "none",
		"-smbios", "type=1,manufacturer=VMware,product=VMware Virtual Platform",
		"-smbios", "type=3,asset=" + strings.ReplaceAll(s.Name, ",", ",,"),
		"-chardev", fmt.Sprintf("socket,id=serial,fd=%d", serialFD), "-serial", "chardev:serial",
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD), "-mon", "chardev=monitor,mode=control",
	}
	if s.UUID != "" {
		a = append(a, "-uuid", s.UUID)
	}
	for _, c := range s.Controllers {
		a = append(a, c.arguments()...)
	}
	for i, d := range s.Disks {
		more, err := d.arguments(i)
		if err != nil {
			return nil, err
		}
		a = append(a, more...)
	}
	for _, n := range s.NICs {
		a = append(a, n.arguments()...)
	}
	if s.StateFile != "" {
		a = append(a, "-incoming", "exec:cat "+shellQuoted(s.StateFile))
	}
	return a, nil
}

func (c Controller) id() string { return fmt.Sprintf("%s%d", c.Kind, c.Bus) }

func (c Controller) arguments() []string {
	id := c.id()
	switch c.Kind {
	case "scsi":
		return []string{"-device", scsiModels[c.Model] + ",id=" + id}
	case "sata":
		return []string{"-device", "ahci,id=" + id}
	case "nvme":
		return []string{"-device", "nvme,serial=" + id + ",id=" + id}
	default: // the machine type brings its IDE controller
		return nil
	}
}

func (n NIC) arguments() []string {
	model, known := nicModels[n.Model]
	if !known {
		model = "vmxnet3"
	}
	return []string{
		"-netdev", "user,restrict=on,id=wire-" + n.ID,
		"-device", fmt.Sprintf("%s,id=%s,netdev=wire-%s,mac=%s", model, n.ID, n.ID, n.MAC),
	}
}

func shellQuoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }
