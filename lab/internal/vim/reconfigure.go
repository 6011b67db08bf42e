package vim

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// ReconfigVMTask changes name, annotation, extraConfig, memory, processors and network cards, adds and removes disks
// (reconfiguredisks.go), and writes all that into the .vmx. Other devices can't be changed in the lab: that is
// NotSupported.
func (v *virtualMachine) ReconfigVMTask(ctx *simulator.Context, c *types.ReconfigVM_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "reconfigVm", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		return nil, m.reconfigure(own, v.VirtualMachine, c.Spec)
	})
	if fault != nil {
		return &methods.ReconfigVM_TaskBody{Fault_: fault}
	}
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: ref}}
}

func (m *machine) reconfigure(ctx *simulator.Context, vm *simulator.VirtualMachine, spec types.VirtualMachineConfigSpec) types.BaseMethodFault {
	m.mu.Lock()
	file := m.file
	m.mu.Unlock()
	var devices []types.BaseVirtualDevice
	var power types.VirtualMachinePowerState
	ctx.WithLock(vm, func() { devices, power = copyDevices(vm.Config.Hardware.Device), vm.Runtime.PowerState })
	if power == on && (spec.MemoryMB != 0 || spec.NumCPUs != 0) {
		return wrongState(off, power)
	}
	cards, storage := sortChanges(spec.DeviceChange)
	if fault := m.changeStorage(ctx, vm, storage, power); fault != nil {
		return fault
	}
	if len(storage) > 0 {
		ctx.WithLock(vm, func() { devices = copyDevices(vm.Config.Hardware.Device) })
	}
	changed, fault := m.changeCards(devices, file, cards, power)
	if fault != nil {
		return fault
	}
	changes := changeSettings(file, spec)
	if len(spec.ExtraConfig) > 0 {
		changeExtraConfig(file, spec.ExtraConfig)
		// workingDir is one of them.
		changes = append(changes, types.PropertyChange{Name: "config.extraConfig", Val: extraConfig(file)},
			types.PropertyChange{Name: "config.files", Val: m.fileInfo()})
	}
	if changed {
		changes = append(changes, types.PropertyChange{Name: "config.hardware.device", Val: devices},
			types.PropertyChange{Name: "network", Val: m.lab.networksOf(devices)})
	}
	if err := file.Write(m.config.local); err != nil {
		return localized(&types.CannotAccessFile{FileFault: types.FileFault{File: m.config.dsPath()}}, "Unable to write %s: %v", m.config.dsPath(), err)
	}
	if spec.Name != "" {
		m.mu.Lock()
		m.name = spec.Name
		m.mu.Unlock()
	}
	ctx.Map.AtomicUpdate(ctx, vm, changes)
	return nil
}

// changeSettings changes the plain properties.
func changeSettings(file *vmx.File, spec types.VirtualMachineConfigSpec) (changes []types.PropertyChange) {
	set := func(key, value string, shown any, properties ...string) {
		file.Set(key, value)
		for _, p := range properties {
			changes = append(changes, types.PropertyChange{Name: p, Val: shown})
		}
	}
	if spec.Name != "" {
		set("displayName", spec.Name, spec.Name, "name", "config.name", "summary.config.name")
	}
	if spec.Annotation != "" {
		annotation := strings.TrimPrefix(spec.Annotation, emptied)
		set("annotation", annotation, annotation, "config.annotation", "summary.config.annotation")
	}
	if spec.MemoryMB != 0 {
		set("memsize", fmt.Sprint(spec.MemoryMB), int32(spec.MemoryMB), "config.hardware.memoryMB", "summary.config.memorySizeMB")
	}
	if spec.NumCPUs != 0 {
		set("numvcpus", fmt.Sprint(spec.NumCPUs), spec.NumCPUs, "config.hardware.numCPU", "summary.config.numCpu")
	}
	if spec.Uuid != "" {
		set("uuid.bios", vmx.FileUUID(spec.Uuid), spec.Uuid, "config.uuid", "summary.config.uuid")
	}
	if spec.ChangeTrackingEnabled != nil {
		set("ctkEnabled", strings.ToUpper(fmt.Sprint(*spec.ChangeTrackingEnabled)), *spec.ChangeTrackingEnabled, "config.changeTrackingEnabled")
	}
	return changes
}

// changeExtraConfig sets keys; an empty value removes one.
func changeExtraConfig(file *vmx.File, options []types.BaseOptionValue) {
	for _, option := range options {
		o := option.GetOptionValue()
		if text, ok := o.Value.(string); ok && text == "" {
			file.Remove(o.Key)
			continue
		}
		file.Set(o.Key, fmt.Sprint(o.Value))
	}
}

// changeCards edits network cards in the copied device list and in the .vmx.
func (m *machine) changeCards(devices []types.BaseVirtualDevice, file *vmx.File, specs []types.BaseVirtualDeviceConfigSpec, power types.VirtualMachinePowerState) (bool, types.BaseMethodFault) {
	for i, s := range specs {
		spec := s.GetVirtualDeviceConfigSpec()
		wanted, isCard := spec.Device.(types.BaseVirtualEthernetCard)
		if !isCard || spec.Operation != types.VirtualDeviceConfigSpecOperationEdit {
			return false, localized(&types.NotSupported{}, "The lab changes network cards by edit, and adds and removes disks; nothing else")
		}
		invalid := localized(&types.InvalidDeviceSpec{InvalidVmConfig: types.InvalidVmConfig{Property: "deviceChange"}, DeviceIndex: int32(i)},
			"There is no network card %d, or no network as asked", wanted.GetVirtualEthernetCard().Key)
		card := findCard(devices, wanted.GetVirtualEthernetCard().Key)
		if card == nil || !m.changeCard(card, wanted.GetVirtualEthernetCard(), file, power) {
			return false, invalid
		}
	}
	return len(specs) > 0, nil
}

func findCard(devices []types.BaseVirtualDevice, key int32) *types.VirtualEthernetCard {
	for _, d := range devices {
		if card, ok := d.(types.BaseVirtualEthernetCard); ok && card.GetVirtualEthernetCard().Key == key {
			return card.GetVirtualEthernetCard()
		}
	}
	return nil
}

func (m *machine) changeCard(card, wanted *types.VirtualEthernetCard, file *vmx.File, power types.VirtualMachinePowerState) bool {
	index := int(card.Key - nicKey)
	if wanted.Backing != nil && !m.changeBacking(card, wanted.Backing, file, index) {
		return false
	}
	if c := wanted.Connectable; c != nil {
		connectable := *c
		connectable.Connected = power == on && c.Connected
		connectable.Status = "ok"
		card.Connectable = &connectable
		file.Set(nicKeyName(index, "startConnected"), strings.ToUpper(fmt.Sprint(c.StartConnected)))
		if g := m.running(); g != nil {
			_ = g.SetLink(nicID(card.Key), connectable.Connected)
		}
	}
	if wanted.MacAddress != "" && !strings.EqualFold(wanted.MacAddress, card.MacAddress) {
		card.MacAddress, card.AddressType = strings.ToLower(wanted.MacAddress), manualMAC
		file.Set(nicKeyName(index, "addressType"), "static")
		file.Set(nicKeyName(index, "address"), card.MacAddress)
		file.Remove(nicKeyName(index, "generatedAddress"))
	}
	return true
}

func (m *machine) changeBacking(card *types.VirtualEthernetCard, wanted types.BaseVirtualDeviceBackingInfo, file *vmx.File, index int) bool {
	switch b := wanted.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		network := m.lab.networkByName(b.DeviceName)
		if network == nil {
			return false
		}
		card.Backing = &types.VirtualEthernetCardNetworkBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: b.DeviceName}, Network: network,
		}
		file.Set(nicKeyName(index, "networkName"), b.DeviceName)
		file.Remove(nicKeyName(index, "dvs.portgroupId"))
		return true
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		card.Backing = b
		file.Set(nicKeyName(index, "dvs.portgroupId"), b.Port.PortgroupKey)
		file.Remove(nicKeyName(index, "networkName"))
		return true
	}
	return false
}

func nicKeyName(index int, part string) string { return fmt.Sprintf("ethernet%d.%s", index, part) }

func (m *machine) nicsOfFile() []vmx.NIC {
	hardware, err := m.file.Hardware()
	if err != nil {
		return nil
	}
	return hardware.NICs
}

// RenameTask renames the machine in the inventory and in its .vmx; its files keep their names.
func (v *virtualMachine) RenameTask(ctx *simulator.Context, c *types.Rename_Task) soap.HasFault {
	ref, fault := v.exclusive(ctx, "rename", func(m *machine, own *simulator.Context) (types.AnyType, types.BaseMethodFault) {
		if parent, ok := m.lab.registry.Get(*v.Parent).(*simulator.Folder); ok {
			if fault := m.lab.nameFree(own, parent, c.NewName); fault != nil {
				return nil, fault
			}
		}
		return nil, m.reconfigure(own, v.VirtualMachine, types.VirtualMachineConfigSpec{Name: c.NewName})
	})
	if fault != nil {
		return &methods.Rename_TaskBody{Fault_: fault}
	}
	return &methods.Rename_TaskBody{Res: &types.Rename_TaskResponse{Returnval: ref}}
}
