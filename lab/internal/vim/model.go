package vim

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const clusterHosts = 2

// The production datastores are on local disk. Every host of a vCenter sees all of them.
var (
	ProductionDatastores = []string{"datastore1", "datastore2"}
	// VSANDatastores refuse what a vSAN refuses; see vsan.go.
	VSANDatastores = []string{"vsan1", "vsan2"}
)

// build makes the inventory: without machines, with "VM Network" and the production datastores. A vCenter has one
// datacenter DC0, one cluster DC0_C0 with two hosts and a child resource pool, and a distributed port group DC0_DVPG0.
func (l *Lab) build() error {
	switch l.config.Model {
	case "esx":
		l.model = simulator.ESX()
	case "vcenter":
		l.model = simulator.VPX()
		l.model.Host, l.model.ClusterHost, l.model.Pool = 0, clusterHosts, 1
	default:
		return fmt.Errorf("unknown model %q: esx or vcenter", l.config.Model)
	}
	l.model.Machine, l.model.Datastore = 0, 0
	if err := l.model.Create(); err != nil {
		return err
	}
	l.registry = l.model.Map()
	l.internal = l.model.Service.Context
	for _, name := range ProductionDatastores {
		if err := l.addProductionDatastore(name, vmfsVolume); err != nil {
			return err
		}
	}
	for _, name := range VSANDatastores {
		if err := l.addVSAN(name); err != nil {
			return err
		}
	}
	if l.config.Model == "vcenter" {
		l.SetVMotion(true)
	}
	return nil
}

// production is the directory of this machine that holds a production datastore.
func (l *Lab) production(name string) string {
	return filepath.Join(l.config.Directory, "datastores", name)
}

// addProductionDatastore adds a local directory to all hosts; present lets it look like what it plays.
func (l *Lab) addProductionDatastore(name string, present func(*simulator.Datastore, types.DatastoreInfo)) error {
	directory := l.production(name)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	ctx := l.context()
	for _, host := range l.hosts() {
		system := l.registry.Get(*host.ConfigManager.DatastoreSystem).(*simulator.HostDatastoreSystem)
		reply := system.CreateLocalDatastore(ctx, &types.CreateLocalDatastore{Name: name, Path: directory})
		if fault := reply.(*methods.CreateLocalDatastoreBody).Fault_; fault != nil {
			return fmt.Errorf("datastore %s: %s", name, fault.String)
		}
	}
	ds := l.datastoreByName(name)
	ctx.WithLock(ds, func() { present(ds, types.DatastoreInfo{Name: name, Url: directory}) })
	l.refresh(ds)
	return nil
}

func vmfsVolume(ds *simulator.Datastore, info types.DatastoreInfo) {
	ds.Summary.Type = "VMFS"
	ds.Info = &types.VmfsDatastoreInfo{
		DatastoreInfo: info,
		Vmfs: &types.HostVmfsVolume{
			HostFileSystemVolume: types.HostFileSystemVolume{Type: "VMFS", Name: info.Name},
			BlockSizeMb:          1, MajorVersion: 6, Version: "6.82",
			Uuid: locationUUID("vmfs", info.Name),
		},
	}
}

func (l *Lab) hosts() []*simulator.HostSystem {
	var hosts []*simulator.HostSystem
	for _, e := range l.registry.All("HostSystem") {
		hosts = append(hosts, e.(*simulator.HostSystem))
	}
	return hosts
}

func (l *Lab) datastoreByName(name string) *simulator.Datastore {
	for _, e := range l.registry.All("Datastore") {
		if ds := e.(*simulator.Datastore); ds.Name == name {
			return ds
		}
	}
	return nil
}

// computeResource is the ComputeResource or cluster that a host belongs to.
func (l *Lab) computeResource(host types.ManagedObjectReference) *mo.ComputeResource {
	parent := l.registry.Get(host).(*simulator.HostSystem).Parent
	switch c := l.registry.Get(*parent).(type) {
	case *simulator.ClusterComputeResource:
		return &c.ComputeResource
	case *mo.ComputeResource:
		return c
	}
	return nil
}

// entityName is an entity's name. (A network keeps it in a field of its own.)
func entityName(e mo.Entity) string {
	switch x := e.(type) {
	case *mo.Network:
		return x.Name
	case *simulator.DistributedVirtualPortgroup:
		return x.DistributedVirtualPortgroup.Name
	}
	return e.Entity().Name
}
