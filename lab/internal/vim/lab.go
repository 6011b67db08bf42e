// Package vim is vSphere without ESXi: govmomi's simulator with the parts replaced that Run Direct depends on, so that
// they do what a host is documented to do. Datastores are directories of this machine or real NFS mounts, a machine
// that is registered is read from its .vmx, and one that is powered on is a QEMU process.
//
// Locking: the simulator holds an object's lock while a method runs and while properties are read, so nothing here
// does I/O under it. What takes time runs in a task of our own (task.go), takes the object's lock only to read or
// publish properties, and is kept apart from others on the same machine by machine.busy.
package vim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/nfsmount"
	"rundirect.dev/lab/internal/process"
)

// Config says what lab to play.
type Config struct {
	// Model is "esx" or "vcenter".
	Model string
	// Directory is the lab's work folder: datastores, mounts, sockets, records.
	Directory string
	// Listen is the address of the API, 127.0.0.1:0 for any free port.
	Listen string
	// NFSPort and MountPort are where NFS servers are looked for: CreateNasDatastore has no field for them.
	NFSPort, MountPort int
	User, Password     string
	// Accelerator is QEMU's: tcg or kvm.
	Accelerator string
	// GuestDisk is the disk image that new machines get.
	GuestDisk string
}

// Lab is a running vSphere.
type Lab struct {
	config   Config
	model    *simulator.Model
	registry *simulator.Registry
	children *process.Registry
	server   *server
	closing  chan struct{}
	// internal is what the lab itself acts as; each use copies it, because a Context owns locks.
	internal *simulator.Context

	// registering keeps RegisterVM, CreateNasDatastore and RemoveDatastore apart from each other: what one has looked
	// up must still hold when it acts.
	registering sync.Mutex

	mu       sync.Mutex
	machines map[types.ManagedObjectReference]*machine
	mounts   map[mountKey]*nasMount
	taskID   int
	// operations are the tasks that run.
	operations map[types.ManagedObjectReference]*operation
	storage    *storageSettings
	// copied counts the copies that read a disk, by its datastore path.
	copied map[string]int
}

// Open builds the inventory, cleans up after an earlier lab in the same directory, and serves the API.
func Open(config Config) (*Lab, error) {
	directory, err := filepath.Abs(config.Directory)
	if err != nil {
		return nil, err
	}
	config.Directory = directory
	children, err := process.NewRegistry(filepath.Join(directory, "processes"))
	if err != nil {
		return nil, err
	}
	if err := nfsmount.DetachLeftovers(directory); err != nil {
		return nil, err
	}
	l := &Lab{
		config: config, children: children, closing: make(chan struct{}),
		machines: map[types.ManagedObjectReference]*machine{}, mounts: map[mountKey]*nasMount{},
		operations: map[types.ManagedObjectReference]*operation{}, storage: newStorageSettings(),
		copied: map[string]int{},
	}
	if err := l.build(); err != nil {
		return nil, err
	}
	l.registry.Handler = l.override
	if err := l.serve(); err != nil {
		l.model.Remove()
		return nil, err
	}
	go l.refreshDatastores()
	return l, nil
}

// Close powers everything off, unmounts, and ends the API.
func (l *Lab) Close() {
	close(l.closing)
	l.server.close()
	for _, m := range l.allMachines() {
		if g := m.takeGuest(); g != nil {
			_ = g.Signal()
		}
	}
	l.mu.Lock()
	mounts := l.mounts
	l.mounts = map[mountKey]*nasMount{}
	l.mu.Unlock()
	var stopping sync.WaitGroup
	for _, n := range mounts {
		stopping.Go(n.mount.Stop)
	}
	stopping.Wait()
	l.model.Remove()
}

// context makes a fresh Context: the owner of the locks that one activity takes.
func (l *Lab) context() *simulator.Context {
	c := *l.internal
	c.Context = context.Background()
	return &c
}

func (l *Lab) allMachines() []*machine {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*machine, 0, len(l.machines))
	for _, m := range l.machines {
		all = append(all, m)
	}
	return all
}

func (l *Lab) machine(ref types.ManagedObjectReference) *machine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.machines[ref]
}

// override is the simulator's hook: it picks who executes a method. The registered objects stay the simulator's own,
// because it relies on their types; our wrappers are put before them in each session.
func (l *Lab) override(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, nil
	}
	l.forgetRemoved(ctx)
	object := ctx.Map.Get(method.This)
	var wrapper mo.Reference
	switch o := object.(type) {
	case *simulator.HostDatastoreSystem:
		wrapper = &datastoreSystem{o, l}
	case *simulator.Datastore:
		wrapper = &datastore{o, l}
	case *simulator.VirtualMachine:
		wrapper = &virtualMachine{o, l}
	case *simulator.Folder:
		wrapper = &folder{o, l}
	case *simulator.VirtualMachineSnapshot:
		wrapper = &snapshot{o, l}
	case *simulator.VirtualDiskManager:
		wrapper = &diskManager{o, l}
	case *simulator.FileManager:
		wrapper = &fileManager{o, l}
	case *simulator.DatastoreNamespaceManager:
		wrapper = &namespaceManager{o, l}
	case *simulator.HostDatastoreBrowser:
		wrapper = &datastoreBrowser{o, l}
	case *simulator.VmProvisioningChecker:
		wrapper = &provisioningChecker{o, l}
	case *simulator.Task:
		if method.Name != "CancelTask" {
			return nil, nil
		}
		wrapper = &task{o, l}
	default:
		return nil, nil
	}
	if _, there := ctx.Session.Registry.Get(method.This).(interface{ ofLab() }); !there {
		ctx.WithLock(object, func() { ctx.Session.Registry.Put(wrapper) })
	}
	return wrapper, nil
}

// forgetRemoved drops a session's wrappers of objects that are gone, so that nobody goes on seeing them.
func (l *Lab) forgetRemoved(ctx *simulator.Context) {
	for _, kind := range []string{"VirtualMachine", "VirtualMachineSnapshot", "Datastore"} {
		for _, shadow := range ctx.Session.Registry.AllReference(kind) {
			if ref := shadow.Reference(); ctx.Map.Get(ref) == nil {
				ctx.Session.Registry.Remove(ctx, ref)
			}
		}
	}
}

type folder struct {
	*simulator.Folder
	lab *Lab
}

type datastoreSystem struct {
	*simulator.HostDatastoreSystem
	lab *Lab
}

type datastore struct {
	*simulator.Datastore
	lab *Lab
}

type virtualMachine struct {
	*simulator.VirtualMachine
	lab *Lab
}

func (*folder) ofLab()          {}
func (*datastoreSystem) ofLab() {}
func (*datastore) ofLab()       {}
func (*virtualMachine) ofLab()  {}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// localized is a fault with the sentence that a client shows.
func localized(fault types.BaseMethodFault, format string, arguments ...any) types.BaseMethodFault {
	fault.GetMethodFault().FaultMessage = []types.LocalizableMessage{{
		Key: "rundirect.lab", Message: fmt.Sprintf(format, arguments...),
	}}
	return fault
}

// message is what a fault says in words.
func message(fault types.BaseMethodFault) string {
	if m := fault.GetMethodFault().FaultMessage; len(m) > 0 && m[0].Message != "" {
		return m[0].Message
	}
	return fmt.Sprintf("%T", fault)
}
