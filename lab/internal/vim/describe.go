package vim

import (
	"path"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// describe fills a machine's properties from its .vmx.
func (m *machine) describe(ctx *simulator.Context, vm *simulator.VirtualMachine, h vmx.Hardware) types.BaseMethodFault {
	l := m.lab
	resources := types.DefaultResourceConfigSpec()
	uuid := firstOf(h.BIOSUUID, locationUUID("bios", l.location(m.config)))
	devices, used, fault := m.devices(h)
	if fault != nil {
		return fault
	}
	m.datastores = used

	vm.Name = m.name
	vm.Config = &types.VirtualMachineConfigInfo{
		Name: m.name, GuestId: h.GuestID, GuestFullName: h.GuestID, Annotation: h.Annotation, Version: h.Version,
		Uuid: uuid, InstanceUuid: firstOf(h.InstanceUUID, locationUUID("instance", uuid, m.self.Value)),
		LocationId: m.file.Get("uuid.location"), Firmware: h.Firmware, ChangeVersion: time.Now().UTC().Format(time.RFC3339Nano),
		Modified: time.Now(), CreateDate: types.NewTime(time.Now()),
		Files: m.fileInfo(),
		Tools: &types.ToolsConfigInfo{}, BootOptions: &types.VirtualMachineBootOptions{},
		MemoryAllocation: &resources.MemoryAllocation, CpuAllocation: &resources.CpuAllocation,
		LatencySensitivity: &types.LatencySensitivity{Level: types.LatencySensitivitySensitivityLevelNormal},
		Hardware: types.VirtualHardware{
			NumCPU: h.CPUs, NumCoresPerSocket: types.NewInt32(h.CoresPerSocket), MemoryMB: int32(h.MemoryMiB), Device: devices,
		},
		ExtraConfig:           extraConfig(m.file),
		ChangeTrackingEnabled: types.NewBool(m.file.True("ctkEnabled")),
	}
	vm.Layout, vm.LayoutEx = &types.VirtualMachineFileLayout{}, m.layout()
	vm.Storage = &types.VirtualMachineStorageInfo{Timestamp: time.Now()}
	vm.Guest = &types.GuestInfo{
		ToolsStatus:        types.VirtualMachineToolsStatusToolsNotRunning,
		ToolsRunningStatus: string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning),
		GuestState:         string(types.VirtualMachineGuestStateNotRunning), GuestId: h.GuestID,
	}
	vm.GuestHeartbeatStatus = types.ManagedEntityStatusGray
	vm.Capability = types.VirtualMachineCapability{
		SnapshotOperationsSupported: true, MultipleSnapshotsSupported: true, PoweredOffSnapshotsSupported: true,
		ChangeTrackingSupported: true,
	}
	vm.Runtime = types.VirtualMachineRuntimeInfo{
		Host: &m.host, ConnectionState: types.VirtualMachineConnectionStateConnected,
		PowerState: m.statePowered(),
	}
	vm.Datastore, vm.Network = used, l.networksOf(devices)
	if compute := l.computeResource(m.host); compute != nil && compute.EnvironmentBrowser != nil {
		vm.EnvironmentBrowser = *compute.EnvironmentBrowser
	}
	m.summarize(vm)
	return nil
}

// fileInfo says where the machine's files go.
func (m *machine) fileInfo() types.VirtualMachineFileInfo {
	directory := func(of place) string {
		return (&object.DatastorePath{Datastore: of.datastore.Name, Path: path.Dir(of.path) + "/"}).String()
	}
	home, working := directory(m.config), directory(m.workingPlace("any"))
	return types.VirtualMachineFileInfo{
		VmPathName: m.config.dsPath(), SnapshotDirectory: working, SuspendDirectory: home, LogDirectory: home,
	}
}

// statePowered is what a machine's files say: one with a saved state is suspended.
func (m *machine) statePowered() types.VirtualMachinePowerState {
	if _, fault := m.stateFile(); fault == nil {
		return types.VirtualMachinePowerStateSuspended
	}
	return types.VirtualMachinePowerStatePoweredOff
}

func (m *machine) summarize(vm *simulator.VirtualMachine) {
	disks, nics := int32(0), int32(0)
	for _, device := range vm.Config.Hardware.Device {
		switch device.(type) {
		case *types.VirtualDisk:
			disks++
		case types.BaseVirtualEthernetCard:
			nics++
		}
	}
	vm.Summary = types.VirtualMachineSummary{
		Vm: &vm.Self, Runtime: vm.Runtime, OverallStatus: types.ManagedEntityStatusGreen,
		Guest: &types.VirtualMachineGuestSummary{
			GuestId: vm.Config.GuestId, ToolsStatus: vm.Guest.ToolsStatus, ToolsRunningStatus: vm.Guest.ToolsRunningStatus,
		},
		Config: types.VirtualMachineConfigSummary{
			Name: vm.Name, VmPathName: vm.Config.Files.VmPathName, MemorySizeMB: vm.Config.Hardware.MemoryMB,
			NumCpu: vm.Config.Hardware.NumCPU, NumEthernetCards: nics, NumVirtualDisks: disks, Uuid: vm.Config.Uuid,
			InstanceUuid: vm.Config.InstanceUuid, GuestId: vm.Config.GuestId, GuestFullName: vm.Config.GuestFullName,
			Annotation: vm.Config.Annotation, HwVersion: vm.Config.Version,
		},
		QuickStats: types.VirtualMachineQuickStats{GuestHeartbeatStatus: types.ManagedEntityStatusGray},
		Storage:    &types.VirtualMachineStorageSummary{Timestamp: time.Now()},
	}
}

// layout lists the machine's configuration file; a host adds the others when it refreshes its storage information.
func (m *machine) layout() *types.VirtualMachineFileLayoutEx {
	return &types.VirtualMachineFileLayoutEx{
		Timestamp: time.Now(),
		File: []types.VirtualMachineFileLayoutExFileInfo{
			{Key: 0, Name: m.config.dsPath(), Type: string(types.VirtualMachineFileLayoutExFileTypeConfig)},
		},
	}
}

// ownKeys are those that the API shows as properties of their own; all others are extraConfig.
var ownKeys = map[string]bool{
	"displayname": true, "guestos": true, "annotation": true, "memsize": true, "numvcpus": true, "firmware": true,
	"uuid.bios": true, "uuid.location": true, "vc.uuid": true, "config.version": true, "virtualhw.version": true,
	"cpuid.corespersocket": true, "ctkenabled": true, "checkpoint.vmstate": true,
}

// deviceKeys are the parts of a device's key that the API shows in the device.
var deviceKeys = map[string]bool{
	"present": true, "filename": true, "mode": true, "devicetype": true, "virtualdev": true, "networkname": true,
	"addresstype": true, "generatedaddress": true, "generatedaddressoffset": true, "address": true, "startconnected": true,
	"connectiontype": true, "sharedbus": true,
}

func extraConfig(f *vmx.File) []types.BaseOptionValue {
	var options []types.BaseOptionValue
	f.Each(func(key, value string) {
		low := strings.ToLower(key)
		device, part, dotted := strings.Cut(low, ".")
		if ownKeys[low] || (dotted && deviceKeys[part] && isDevice(device)) {
			return
		}
		options = append(options, &types.OptionValue{Key: key, Value: value})
	})
	return options
}

func isDevice(name string) bool {
	for _, kind := range []string{"scsi", "sata", "nvme", "ide", "ethernet", "floppy"} {
		if rest, found := strings.CutPrefix(name, kind); found && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return true
		}
	}
	return false
}
