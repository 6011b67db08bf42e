package vim

import (
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/vmx"
)

// diskSpecs opens every disk's chain, and keeps them apart from other machines' (FileLocked).
func (m *machine) diskSpecs(disks []vmx.Disk) ([]guest.Disk, map[int32]chain, types.BaseMethodFault) {
	var specs []guest.Disk
	chains := map[int32]chain{}
	for _, d := range disks {
		at, fault := m.diskPlace(d)
		if fault != nil {
			return nil, nil, fault
		}
		c, fault := m.lab.chainAt(m.host, at)
		if fault != nil {
			return nil, nil, fault
		}
		if fault := m.lab.lockable(c, m); fault != nil {
			return nil, nil, fault
		}
		specs = append(specs, diskForGuest(d, c))
		chains[unitKey(d.Kind, d.Bus, d.Unit)] = c
	}
	return specs, chains, nil
}

// diskForGuest is a disk as QEMU has it.
func diskForGuest(d vmx.Disk, c chain) guest.Disk {
	key := unitKey(d.Kind, d.Bus, d.Unit)
	return guest.Disk{Kind: d.Kind, Bus: d.Bus, Unit: d.Unit, ID: fmt.Sprintf("disk-%d", key), Layers: c.image()}
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
