package vim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/vmx"
)

// diskSpec finds the file that holds a disk's bytes. A missing one is FileNotFound, as at a host's power-on.
func (m *machine) diskSpec(d vmx.Disk) (guest.Disk, types.BaseMethodFault) {
	at, fault := m.diskPlace(d)
	if fault != nil {
		return guest.Disk{}, fault
	}
	descriptor, err := vmx.ReadDescriptor(at.local)
	if errors.Is(err, os.ErrNotExist) {
		return guest.Disk{}, localized(&types.FileNotFound{FileFault: types.FileFault{File: at.dsPath()}}, "File %s was not found", at.dsPath())
	}
	if err != nil {
		return guest.Disk{}, localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%s: %v", at.dsPath(), err)
	}
	disk := guest.Disk{
		Kind: d.Kind, Bus: d.Bus, Unit: d.Unit, Node: fmt.Sprintf("disk-%d", unitKey(d.Kind, d.Bus, d.Unit)),
		File: at.local, Format: "vmdk", Direct: at.network,
	}
	if raw := descriptor.Raw(filepath.Dir(at.local)); raw != "" {
		disk.File, disk.Format = raw, "raw"
		if !exists(raw) {
			return guest.Disk{}, localized(&types.FileNotFound{FileFault: types.FileFault{File: at.dsPath()}},
				"File %s, which %s names, was not found", filepath.Base(raw), at.dsPath())
		}
	}
	return disk, nil
}

func nicSpecs(devices []types.BaseVirtualDevice) []guest.NIC {
	var nics []guest.NIC
	for _, device := range devices {
		card, ok := device.(types.BaseVirtualEthernetCard)
		if !ok {
			continue
		}
		c := card.GetVirtualEthernetCard()
		nics = append(nics, guest.NIC{
			ID: nicID(c.Key), Model: nicModel(device), MAC: c.MacAddress,
			Connected: c.Connectable == nil || c.Connectable.StartConnected,
		})
	}
	return nics
}

func nicID(key int32) string { return fmt.Sprintf("nic-%d", key) }

func nicModel(device types.BaseVirtualDevice) string {
	switch device.(type) {
	case *types.VirtualE1000:
		return "e1000"
	case *types.VirtualE1000e:
		return "e1000e"
	case *types.VirtualPCNet32:
		return "vlance"
	default:
		return "vmxnet3"
	}
}

// copyDevices copies each device's top level, so that a change is made to a copy that nobody is reading.
func copyDevices(devices []types.BaseVirtualDevice) []types.BaseVirtualDevice {
	copies := make([]types.BaseVirtualDevice, len(devices))
	for i, d := range devices {
		original := reflect.ValueOf(d).Elem()
		fresh := reflect.New(original.Type())
		fresh.Elem().Set(original)
		copies[i] = fresh.Interface().(types.BaseVirtualDevice)
	}
	return copies
}
