package vim

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// Keys of devices, as ESXi gives them.
const (
	pciKey       = 100
	ideKey       = 200
	scsiKey      = 1000
	diskKey      = 2000
	ideDiskKey   = 3000
	nicKey       = 4000
	tpmKey       = 11000
	passthruKey  = 13000
	sataKey      = 15000
	sataDiskKey  = 16000
	nvmeKey      = 31000
	nvmeDiskKey  = 32000
	scsiPerBus   = 16
	sataPerBus   = 30
	firstNICUnit = 7
	scsiOwnUnit  = 7
	bytesPerKiB  = 1024
	generatedMAC = "generated"
	manualMAC    = "manual"
)

func controllerKey(kind string, bus int) int32 {
	return int32(map[string]int{"scsi": scsiKey, "sata": sataKey, "nvme": nvmeKey, "ide": ideKey}[kind] + bus)
}

func unitKey(kind string, bus, unit int) int32 {
	switch kind {
	case "scsi":
		return int32(diskKey + bus*scsiPerBus + unit)
	case "sata":
		return int32(sataDiskKey + bus*sataPerBus + unit)
	case "nvme":
		return int32(nvmeDiskKey + bus*scsiPerBus + unit)
	default:
		return int32(ideDiskKey + bus*2 + unit)
	}
}

func labelled(label, summary string) *types.Description {
	return &types.Description{Label: label, Summary: summary}
}

// baseDevices are those that every machine has.
func baseDevices() []types.BaseVirtualDevice {
	device := func(key int32, label string) types.VirtualDevice {
		return types.VirtualDevice{Key: key, DeviceInfo: labelled(label, label)}
	}
	return []types.BaseVirtualDevice{
		&types.VirtualIDEController{VirtualController: types.VirtualController{VirtualDevice: device(ideKey, "IDE 0"), BusNumber: 0}},
		&types.VirtualIDEController{VirtualController: types.VirtualController{VirtualDevice: device(ideKey+1, "IDE 1"), BusNumber: 1}},
		&types.VirtualPS2Controller{VirtualController: types.VirtualController{VirtualDevice: device(300, "PS2 controller 0")}},
		&types.VirtualPCIController{VirtualController: types.VirtualController{VirtualDevice: device(pciKey, "PCI controller 0")}},
		&types.VirtualSIOController{VirtualController: types.VirtualController{VirtualDevice: device(400, "SIO controller 0")}},
		&types.VirtualKeyboard{VirtualDevice: device(600, "Keyboard")},
		&types.VirtualPointingDevice{VirtualDevice: device(700, "Pointing device")},
		&types.VirtualMachineVideoCard{VirtualDevice: device(500, "Video card"), VideoRamSizeInKB: 4096, NumDisplays: 1},
	}
}

// devices makes the device list, and tells which datastores the machine uses: the one of its .vmx first.
func (m *machine) devices(h vmx.Hardware) ([]types.BaseVirtualDevice, []types.ManagedObjectReference, types.BaseMethodFault) {
	used := []types.ManagedObjectReference{m.config.datastore.Self}
	list := baseDevices()
	for _, c := range h.Controllers {
		if device := controller(c); device != nil {
			list = append(list, device)
		}
	}
	for i, d := range h.Disks {
		disk, on, fault := m.disk(i+1, d)
		if fault != nil {
			return nil, nil, fault
		}
		list = append(list, disk)
		for _, ref := range on {
			if simulator.FindReference(used, ref) == nil {
				used = append(used, ref)
			}
		}
	}
	for i, c := range h.CDROMs {
		list = append(list, m.cdrom(i+1, c))
	}
	for _, n := range h.NICs {
		list = append(list, m.nic(n))
	}
	for i, name := range h.Passthrough {
		list = append(list, &types.VirtualPCIPassthrough{VirtualDevice: types.VirtualDevice{
			Key: int32(passthruKey + i), ControllerKey: pciKey, DeviceInfo: labelled("PCI device "+name, name),
			Backing: &types.VirtualPCIPassthroughDeviceBackingInfo{Id: m.file.Get(name + ".id"), DeviceId: m.file.Get(name + ".deviceId")},
		}})
	}
	if h.TPM {
		list = append(list, &types.VirtualTPM{VirtualDevice: types.VirtualDevice{
			Key: tpmKey, ControllerKey: pciKey, DeviceInfo: labelled("Virtual TPM", "Trusted Platform Module"),
		}})
	}
	return list, used, nil
}

func controller(c vmx.Controller) types.BaseVirtualDevice {
	base := types.VirtualController{
		VirtualDevice: types.VirtualDevice{Key: controllerKey(c.Kind, c.Bus), ControllerKey: pciKey}, BusNumber: int32(c.Bus),
	}
	switch c.Kind {
	case "ide": // every machine has its two
		return nil
	case "sata":
		base.DeviceInfo = labelled(fmt.Sprintf("SATA controller %d", c.Bus), "AHCI")
		return &types.VirtualAHCIController{VirtualSATAController: types.VirtualSATAController{VirtualController: base}}
	case "nvme":
		base.DeviceInfo = labelled(fmt.Sprintf("NVME controller %d", c.Bus), "NVME")
		return &types.VirtualNVMEController{VirtualController: base}
	}
	base.DeviceInfo = labelled(fmt.Sprintf("SCSI controller %d", c.Bus), firstOf(c.Model, "lsilogic"))
	scsi := types.VirtualSCSIController{
		VirtualController: base, SharedBus: types.VirtualSCSISharingNoSharing, ScsiCtlrUnitNumber: scsiOwnUnit,
		HotAddRemove: types.NewBool(true),
	}
	switch c.Model {
	case "pvscsi":
		return &types.ParaVirtualSCSIController{VirtualSCSIController: scsi}
	case "lsisas1068":
		return &types.VirtualLsiLogicSASController{VirtualSCSIController: scsi}
	case "buslogic":
		return &types.VirtualBusLogicController{VirtualSCSIController: scsi}
	default:
		return &types.VirtualLsiLogicController{VirtualSCSIController: scsi}
	}
}

// diskPlace finds a disk's descriptor. A datastore that the host does not have is InvalidDatastore.
func (m *machine) diskPlace(d vmx.Disk) (place, types.BaseMethodFault) {
	datastore, inside, err := vmx.DatastorePath(d.File, m.config.datastore.Name, path.Dir(m.config.path))
	if err != nil {
		return place{}, localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%v", err)
	}
	at, found := m.lab.locate(m.host, datastore, inside)
	if !found {
		return place{}, localized(&types.InvalidDatastore{Name: datastore}, "The disk %s is on a datastore that the host does not have", d.File)
	}
	return at, nil
}

// disk makes a disk's device, and tells on which datastores it lies with all its parents.
func (m *machine) disk(number int, d vmx.Disk) (*types.VirtualDisk, []types.ManagedObjectReference, types.BaseMethodFault) {
	disk := &types.VirtualDisk{VirtualDevice: types.VirtualDevice{
		Key: unitKey(d.Kind, d.Bus, d.Unit), ControllerKey: controllerKey(d.Kind, d.Bus), UnitNumber: types.NewInt32(int32(d.Unit)),
		DeviceInfo: labelled(fmt.Sprintf("Hard disk %d", number), ""),
	}}
	at, fault := m.diskPlace(d)
	if fault != nil {
		return nil, nil, fault
	}
	file := types.VirtualDeviceFileBackingInfo{FileName: at.dsPath(), Datastore: &at.datastore.Self}
	descriptor, err := vmx.ReadDescriptor(at.local)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%s: %v", at.dsPath(), err)
	}
	if descriptor == nil { // registering works without it, powering on does not
		descriptor = &vmx.Descriptor{}
	}
	disk.CapacityInBytes = descriptor.CapacityBytes()
	disk.CapacityInKB = disk.CapacityInBytes / bytesPerKiB
	disk.DeviceInfo.GetDescription().Summary = fmt.Sprintf("%d KB", disk.CapacityInKB)
	if strings.HasSuffix(descriptor.CreateType, "RawDeviceMap") {
		mode := types.VirtualDiskCompatibilityModeVirtualMode
		if descriptor.CreateType == "vmfsPassthroughRawDeviceMap" {
			mode = types.VirtualDiskCompatibilityModePhysicalMode
		}
		disk.Backing = &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: file, DiskMode: d.Mode, CompatibilityMode: string(mode), Uuid: descriptor.UUID(),
			DeviceName: "vml." + strings.ReplaceAll(descriptor.UUID(), "-", ""),
		}
		return disk, []types.ManagedObjectReference{at.datastore.Self}, nil
	}
	layers := chain{{place: at, descriptor: descriptor}}
	if descriptor.IsDelta() { // what is missing is a matter of powering on
		if c, fault := m.chainOf(d); fault == nil {
			layers = c
		}
	}
	backing, used := backing(layers, d.Mode)
	disk.Backing = backing
	return disk, used, nil
}

// deltaVariants tell deltas apart that the API calls by one format.
var deltaVariants = map[string]string{
	vmx.VMFSSparse.CreateType: string(types.VirtualDiskDeltaDiskFormatVariantVmfsSparseVariant),
	vmx.VSANSparse.CreateType: string(types.VirtualDiskDeltaDiskFormatVariantVsanSparseVariant),
}

// backing is a chain as the API shows it: the last layer, with its parents in it.
func backing(c chain, mode string) (*types.VirtualDiskFlatVer2BackingInfo, []types.ManagedObjectReference) {
	var info *types.VirtualDiskFlatVer2BackingInfo
	var used []types.ManagedObjectReference
	for _, y := range c {
		shown := &types.VirtualDiskFlatVer2BackingInfo{
			VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: y.dsPath(), Datastore: &y.datastore.Self},
			DiskMode:                     mode, ThinProvisioned: types.NewBool(c[0].descriptor.Thin()),
			WriteThrough: types.NewBool(false), Split: types.NewBool(false), Uuid: c[0].descriptor.UUID(),
			ContentId: y.descriptor.Database["ddb.longContentID"], DigestEnabled: types.NewBool(false),
			Sharing: string(types.VirtualDiskSharingSharingNone), Parent: info,
		}
		if object := y.object(); object != "" {
			id := filepath.Base(object)
			shown.BackingObjectId = &id
		}
		if y.descriptor.IsDelta() {
			shown.DeltaDiskFormatVariant = deltaVariants[y.descriptor.CreateType]
			shown.DeltaDiskFormat = string(types.VirtualDiskDeltaDiskFormatRedoLogFormat)
			if y.descriptor.CreateType == vmx.SESparse.CreateType {
				shown.DeltaDiskFormat = string(types.VirtualDiskDeltaDiskFormatSeSparseFormat)
			}
		}
		info, used = shown, append(used, y.datastore.Self)
	}
	return info, used
}

func (m *machine) cdrom(number int, c vmx.CDROM) types.BaseVirtualDevice {
	device := types.VirtualDevice{
		Key: unitKey(c.Kind, c.Bus, c.Unit), ControllerKey: controllerKey(c.Kind, c.Bus), UnitNumber: types.NewInt32(int32(c.Unit)),
		DeviceInfo:  labelled(fmt.Sprintf("CD/DVD drive %d", number), firstOf(c.File, "Remote device")),
		Connectable: &types.VirtualDeviceConnectInfo{StartConnected: c.StartConnected, AllowGuestControl: true, Status: "untried"},
		Backing:     &types.VirtualCdromRemotePassthroughBackingInfo{},
	}
	if c.File != "" {
		name := c.File
		if datastore, inside, err := vmx.DatastorePath(c.File, m.config.datastore.Name, path.Dir(m.config.path)); err == nil {
			name = fmt.Sprintf("[%s] %s", datastore, inside)
		}
		device.Backing = &types.VirtualCdromIsoBackingInfo{VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: name}}
	}
	return &types.VirtualCdrom{VirtualDevice: device}
}

func (m *machine) nic(n vmx.NIC) types.BaseVirtualDevice {
	addressType := generatedMAC
	if n.Manual {
		addressType = manualMAC
	}
	if n.MAC == "" {
		n.MAC = generateMAC(m.lab.location(m.config), n.Index)
	}
	card := types.VirtualEthernetCard{
		VirtualDevice: types.VirtualDevice{
			Key: int32(nicKey + n.Index), ControllerKey: pciKey, UnitNumber: types.NewInt32(int32(firstNICUnit + n.Index)),
			DeviceInfo: labelled(fmt.Sprintf("Network adapter %d", n.Index+1), n.Network),
			Backing: &types.VirtualEthernetCardNetworkBackingInfo{
				VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: n.Network},
				Network:                        m.lab.networkByName(n.Network),
			},
			Connectable: &types.VirtualDeviceConnectInfo{StartConnected: n.StartConnected, AllowGuestControl: true, Status: "untried"},
		},
		AddressType: addressType, MacAddress: n.MAC, WakeOnLanEnabled: types.NewBool(true),
	}
	switch n.Model {
	case "e1000":
		return &types.VirtualE1000{VirtualEthernetCard: card}
	case "e1000e":
		return &types.VirtualE1000e{VirtualEthernetCard: card}
	case "vlance":
		return &types.VirtualPCNet32{VirtualEthernetCard: card}
	default:
		return &types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{VirtualEthernetCard: card}}
	}
}

// generateMAC makes an address of the range that hosts generate theirs from.
func generateMAC(location string, index int) string {
	digits := strings.ReplaceAll(locationUUID("mac", location, fmt.Sprint(index)), "-", "")
	return fmt.Sprintf("00:0c:29:%s:%s:%s", digits[:2], digits[2:4], digits[4:6])
}

func (l *Lab) networkByName(name string) *types.ManagedObjectReference {
	for _, e := range l.registry.All("Network") {
		if entityName(e) == name {
			ref := e.Reference()
			return &ref
		}
	}
	return nil
}

func (l *Lab) networksOf(devices []types.BaseVirtualDevice) []types.ManagedObjectReference {
	var refs []types.ManagedObjectReference
	for _, device := range devices {
		card, ok := device.(types.BaseVirtualEthernetCard)
		if !ok {
			continue
		}
		backing, ok := card.GetVirtualEthernetCard().Backing.(*types.VirtualEthernetCardNetworkBackingInfo)
		if ok && backing.Network != nil && simulator.FindReference(refs, *backing.Network) == nil {
			refs = append(refs, *backing.Network)
		}
	}
	return refs
}

// fileIn names a file beside the .vmx.
func (m *machine) fileIn(name string) string {
	return filepath.Join(filepath.Dir(m.config.local), name)
}
