package vim

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const refreshInterval = 15 * time.Second

// RefreshDatastore reads capacity and free space anew.
func (d *datastore) RefreshDatastore(_ *simulator.Context, _ *types.RefreshDatastore) soap.HasFault {
	go d.lab.refresh(d.Datastore) // it may hang as long as its NFS server does
	return &methods.RefreshDatastoreBody{Res: &types.RefreshDatastoreResponse{}}
}

func (l *Lab) refreshDatastores() {
	ticker := time.NewTicker(refreshInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.closing:
			return
		case <-ticker.C:
			for _, e := range l.registry.All("Datastore") {
				go l.refresh(e.(*simulator.Datastore))
			}
		}
	}
}

// refresh publishes a datastore's real capacity and free space.
func (l *Lab) refresh(ds *simulator.Datastore) {
	ctx := l.context()
	var root string
	ctx.WithLock(ds, func() { root = ds.Summary.Url })
	capacity, free, err := l.space(ds.Name, root)
	if err != nil || l.registry.Get(ds.Self) == nil {
		return
	}
	ctx.WithLock(ds, func() {
		info := ds.Info.GetDatastoreInfo()
		info.FreeSpace, info.Timestamp = free, types.NewTime(time.Now())
		info.MaxFileSize = 64 << 40
		if nas, ok := ds.Info.(*types.NasDatastoreInfo); ok && nas.Nas != nil {
			nas.Nas.Capacity = capacity
		}
		ctx.Update(ds, []types.PropertyChange{
			{Name: "summary.capacity", Val: capacity}, {Name: "summary.freeSpace", Val: free},
		})
	})
}

// space asks the file system below a datastore.
func (l *Lab) space(datastore, root string) (capacity, free int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(root, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Blocks) * s.Bsize, l.storage.free(datastore, int64(s.Bavail)*s.Bsize), nil
}

// freeBytes is what a host sees as free on a datastore; false when it can't tell.
func (l *Lab) freeBytes(host types.ManagedObjectReference, ds *simulator.Datastore) (int64, bool) {
	root, _, found := l.root(host, ds)
	if !found {
		return 0, false
	}
	_, free, err := l.space(ds.Name, root)
	return free, err == nil
}

// place is a file on a datastore as one host sees it.
type place struct {
	datastore *simulator.Datastore
	path      string // inside the datastore; on vSAN it begins with a namespace's UUID
	local     string // on this machine
	network   bool
	// objects is where the bytes of a vSAN's disks are kept; "" where disks are files.
	objects string
	// namespace is what a namespace of a vSAN that is yet to be made will be called.
	namespace string
}

// dsPath is "[datastore] path".
func (p place) dsPath() string {
	return (&object.DatastorePath{Datastore: p.datastore.Name, Path: p.path}).String()
}

func (p place) beside(name string) place {
	p.path = filepath.Join(filepath.Dir(p.path), name)
	p.local = filepath.Join(filepath.Dir(p.local), name)
	return p
}

// locate finds a file on a datastore that a host has; false when the host has no such datastore.
func (l *Lab) locate(host types.ManagedObjectReference, datastoreName, path string) (place, bool) {
	ds := l.datastoreByVolume(datastoreName)
	if ds == nil {
		return place{}, false
	}
	root, network, found := l.root(host, ds)
	if !found || escapes(path) {
		return place{}, false
	}
	objects := ""
	if isVSAN(ds.Name) {
		objects = l.objectsOf(ds.Name)
		path = l.canonical(ds.Name, path)
	}
	return place{datastore: ds, path: path, local: filepath.Join(root, path), network: network, objects: objects}, true
}

func escapes(path string) bool {
	clean := filepath.Clean("/" + path)
	return strings.Contains("/"+path+"/", "/../") || clean == "/"
}

// root is the directory of this machine that a host sees as a datastore.
func (l *Lab) root(host types.ManagedObjectReference, ds *simulator.Datastore) (directory string, network, found bool) {
	l.mu.Lock()
	n := l.mounts[mountKey{host, ds.Name}]
	l.mu.Unlock()
	if n != nil {
		return n.mount.Directory, true, true
	}
	if isVSAN(ds.Name) || slices.Contains(ProductionDatastores, ds.Name) {
		return l.production(ds.Name), false, true
	}
	return "", false, false
}
