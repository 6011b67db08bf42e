package vim

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/nfs3"
	"rundirect.dev/lab/internal/nfsmount"
)

// mountKey names a mount: each host mounts for itself.
type mountKey struct {
	host      types.ManagedObjectReference
	datastore string
}

type nasMount struct {
	mount                  *nfsmount.Mount
	remoteHost, remotePath string
}

// CreateNasDatastore mounts an NFS export on one host. As on a host: DuplicateName when the name is taken,
// AlreadyExists when the host has mounted that export, PlatformConfigFault when the server refuses or is not there.
// In a vCenter, hosts that mount the same export under the same name share one Datastore.
func (d *datastoreSystem) CreateNasDatastore(ctx *simulator.Context, c *types.CreateNasDatastore) soap.HasFault {
	l := d.lab
	l.registering.Lock()
	defer l.registering.Unlock()
	ref, fault := l.mountNAS(ctx, d.HostDatastoreSystem, c.Spec)
	if fault != nil {
		return &methods.CreateNasDatastoreBody{Fault_: simulator.Fault(message(fault), fault)}
	}
	return &methods.CreateNasDatastoreBody{Res: &types.CreateNasDatastoreResponse{Returnval: ref}}
}

func (l *Lab) mountNAS(ctx *simulator.Context, system *simulator.HostDatastoreSystem, spec types.HostNasVolumeSpec) (ref types.ManagedObjectReference, fault types.BaseMethodFault) {
	if fault := checkNASSpec(spec); fault != nil {
		return ref, fault
	}
	host := system.Host.Self
	existing := l.datastoreByName(spec.LocalPath)
	if fault := l.checkNASFree(host, existing, spec); fault != nil {
		return ref, fault
	}
	directory := filepath.Join(l.config.Directory, "volumes", host.Value, spec.LocalPath)
	mount, err := nfsmount.Start(l.children, nfs3.Options{
		Host: spec.RemoteHost, Path: spec.RemotePath, NFSPort: l.config.NFSPort, MountPort: l.config.MountPort,
	}, directory)
	if err != nil {
		text := fmt.Sprintf("Unable to complete Sysinfo operation. Unable to mount %s:%s: %v", spec.RemoteHost, spec.RemotePath, err)
		return ref, localized(&types.PlatformConfigFault{Text: text}, "%s", text)
	}
	ref, err = l.publishNAS(ctx, system, spec, directory)
	if err != nil {
		mount.Stop()
		return ref, localized(&types.PlatformConfigFault{Text: err.Error()}, "%v", err)
	}
	l.mu.Lock()
	l.mounts[mountKey{host, spec.LocalPath}] = &nasMount{mount: mount, remoteHost: spec.RemoteHost, remotePath: spec.RemotePath}
	l.mu.Unlock()
	if ds, ok := l.registry.Get(ref).(*simulator.Datastore); ok {
		l.refresh(ds)
	}
	return ref, nil
}

const maxDatastoreName = 42

func checkNASSpec(spec types.HostNasVolumeSpec) types.BaseMethodFault {
	invalid := func(property string) types.BaseMethodFault {
		return localized(&types.InvalidArgument{InvalidProperty: property}, "A specified parameter was not correct: spec.%s", property)
	}
	switch {
	case spec.RemoteHost == "":
		return invalid("remoteHost")
	case spec.RemotePath == "":
		return invalid("remotePath")
	case spec.LocalPath == "" || len(spec.LocalPath) > maxDatastoreName || filepath.Base(spec.LocalPath) != spec.LocalPath:
		return invalid("localPath")
	case spec.Type != "" && spec.Type != "NFS":
		return localized(&types.InvalidArgument{InvalidProperty: "type"}, "the lab mounts NFSv3 only, not %s", spec.Type)
	}
	return nil
}

// checkNASFree compares with what the host, and the datacenter, have already.
func (l *Lab) checkNASFree(host types.ManagedObjectReference, existing *simulator.Datastore, spec types.HostNasVolumeSpec) types.BaseMethodFault {
	l.mu.Lock()
	defer l.mu.Unlock()
	sameName := false
	for key, n := range l.mounts {
		same := n.remoteHost == spec.RemoteHost && n.remotePath == spec.RemotePath
		if same && key.host == host {
			return localized(&types.AlreadyExists{Name: key.datastore}, "%s:%s is mounted on this host as %s", spec.RemoteHost, spec.RemotePath, key.datastore)
		}
		if key.datastore == spec.LocalPath && same {
			sameName = true
		}
		if same && key.datastore != spec.LocalPath {
			return localized(&types.AlreadyExists{Name: key.datastore}, "%s:%s exists in the datacenter under the name %s", spec.RemoteHost, spec.RemotePath, key.datastore)
		}
	}
	if existing != nil && !sameName {
		return localized(&types.DuplicateName{Name: spec.LocalPath, Object: existing.Self}, "The name %s already exists", spec.LocalPath)
	}
	return nil
}

// publishNAS puts the datastore into the inventory, or adds the host to one that is there.
func (l *Lab) publishNAS(ctx *simulator.Context, system *simulator.HostDatastoreSystem, spec types.HostNasVolumeSpec, directory string) (types.ManagedObjectReference, error) {
	stock := spec
	stock.LocalPath, stock.Type = directory, "NFS" // the simulator takes the directory from here and the name from its end
	var reply soap.HasFault
	host := l.registry.Get(system.Host.Self).(*simulator.HostSystem)
	ctx.WithLock(host, func() {
		reply = system.CreateNasDatastore(ctx, &types.CreateNasDatastore{This: system.Self, Spec: stock})
	})
	if fault := reply.(*methods.CreateNasDatastoreBody).Fault_; fault != nil {
		return types.ManagedObjectReference{}, errors.New(fault.String)
	}
	ds := l.datastoreByName(spec.LocalPath)
	ctx.WithLock(ds, func() {
		info, ok := ds.Info.(*types.NasDatastoreInfo)
		if !ok {
			return
		}
		info.Nas.Name, info.Nas.Type, info.Nas.RemoteHostNames = spec.LocalPath, "NFS", []string{spec.RemoteHost}
		ds.Summary.Type, ds.Summary.MultipleHostAccess = "NFS", types.NewBool(len(ds.Host) > 1)
		for i := range ds.Host {
			if ds.Host[i].Key == system.Host.Self {
				ds.Host[i].MountInfo.Path = "/vmfs/volumes/" + locationUUID(spec.RemoteHost, spec.RemotePath)[:17]
				ds.Host[i].MountInfo.AccessMode = accessMode(spec.AccessMode)
			}
		}
	})
	return ds.Self, nil
}

func accessMode(asked string) string {
	if asked == "" {
		return string(types.HostMountModeReadWrite)
	}
	return asked
}

// RemoveDatastore unmounts from one host: NotFound when the host has no such datastore, ResourceInUse while a machine
// that is registered on this host has files there. The datastore is gone from the inventory with its last host.
func (d *datastoreSystem) RemoveDatastore(ctx *simulator.Context, c *types.RemoveDatastore) soap.HasFault {
	l := d.lab
	l.registering.Lock()
	defer l.registering.Unlock()
	if fault := l.unmountNAS(ctx, d.HostDatastoreSystem, c.Datastore); fault != nil {
		return &methods.RemoveDatastoreBody{Fault_: simulator.Fault(message(fault), fault)}
	}
	return &methods.RemoveDatastoreBody{Res: &types.RemoveDatastoreResponse{}}
}

func (l *Lab) unmountNAS(ctx *simulator.Context, system *simulator.HostDatastoreSystem, ref types.ManagedObjectReference) types.BaseMethodFault {
	host := system.Host.Self
	ds, ok := l.registry.Get(ref).(*simulator.Datastore)
	if !ok || simulator.FindReference(system.Datastore, ref) == nil {
		return localized(&types.NotFound{}, "The host has no datastore %s", ref.Value)
	}
	key := mountKey{host, ds.Name}
	l.mu.Lock()
	n := l.mounts[key]
	l.mu.Unlock()
	if n == nil {
		return localized(&types.ResourceInUse{Type: "Datastore", Name: ds.Name}, "The datastore %s is a production datastore of the lab, which can not be removed", ds.Name)
	}
	for _, m := range l.allMachines() {
		if m.host == host && m.uses(ds.Self) {
			return localized(&types.ResourceInUse{Type: "Datastore", Name: ds.Name}, "The resource '%s' is in use.", ds.Name)
		}
	}
	n.mount.Stop()
	l.mu.Lock()
	delete(l.mounts, key)
	l.mu.Unlock()
	l.withdrawNAS(ctx, system, ds)
	return nil
}

// withdrawNAS takes a host from a datastore, and the datastore from the inventory when no host is left.
func (l *Lab) withdrawNAS(ctx *simulator.Context, system *simulator.HostDatastoreSystem, ds *simulator.Datastore) {
	host := l.registry.Get(system.Host.Self).(*simulator.HostSystem)
	system.Datastore = without(system.Datastore, ds.Self)
	ctx.WithLock(host, func() { host.Datastore = without(host.Datastore, ds.Self) })
	left := 0
	ctx.WithLock(ds, func() {
		for i := range ds.Host {
			if ds.Host[i].Key == host.Self {
				ds.Host = append(append([]types.DatastoreHostMount{}, ds.Host[:i]...), ds.Host[i+1:]...)
				break
			}
		}
		left = len(ds.Host)
		if left > 0 { // the files are reached through another host's mount from now on
			if directory, _, found := l.root(ds.Host[0].Key, ds); found {
				ds.Info.GetDatastoreInfo().Url = directory
				ctx.Update(ds, []types.PropertyChange{{Name: "summary.url", Val: directory}})
			}
		}
	})
	if left > 0 {
		return
	}
	compute := l.computeResource(host.Self)
	ctx.WithLock(compute, func() { compute.Datastore = without(compute.Datastore, ds.Self) })
	l.removeFromInventory(ctx, ds)
}

// removeFromInventory takes a datastore out of its folder and datacenter.
func (l *Lab) removeFromInventory(ctx *simulator.Context, ds *simulator.Datastore) {
	l.registry.Remove(ctx, ds.Self)
	if parent, ok := l.registry.Get(*ds.Parent).(*simulator.Folder); ok {
		ctx.WithLock(parent, func() { parent.ChildEntity = without(parent.ChildEntity, ds.Self) })
	}
	for _, e := range l.registry.All("Datacenter") {
		dc := e.(*simulator.Datacenter)
		ctx.WithLock(dc, func() { dc.Datastore = without(dc.Datastore, ds.Self) })
	}
}

// DestroyTask of an NFS datastore is how a vCenter unmounts it from all hosts; the lab has RemoveDatastore for that.
func (d *datastore) DestroyTask(*simulator.Context, *types.Destroy_Task) soap.HasFault {
	return &methods.Destroy_TaskBody{Fault_: simulator.Fault("use RemoveDatastore of each host", &types.NotSupported{})}
}

// without copies a list and leaves one out. (Several objects of the simulator share one list, which must not be
// changed in place.)
func without(list []types.ManagedObjectReference, ref types.ManagedObjectReference) []types.ManagedObjectReference {
	kept := make([]types.ManagedObjectReference, 0, len(list))
	for _, r := range list {
		if r != ref {
			kept = append(kept, r)
		}
	}
	return kept
}
