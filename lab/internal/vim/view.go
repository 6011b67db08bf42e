package vim

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
)

// MachineView is a machine as the control API shows it.
type MachineView struct {
	Moref      string `json:"moref"`
	Name       string `json:"name"`
	Host       string `json:"host"`
	PowerState string `json:"powerState"`
	// Path is "[datastore] directory/file.vmx"; Folder the directory of this machine that holds it.
	Path   string `json:"path"`
	Folder string `json:"folder"`
	MAC    string `json:"mac"`
	// QEMU is the process of a machine that is powered on.
	QEMU   int    `json:"qemu,omitempty"`
	Health string `json:"health"`
}

// DatastoreView is a datastore as one host sees it.
type DatastoreView struct {
	Name       string `json:"name"`
	Moref      string `json:"moref"`
	Path       string `json:"path"`
	Host       string `json:"host,omitempty"`
	Type       string `json:"type"`
	RemoteHost string `json:"remoteHost,omitempty"`
	RemotePath string `json:"remotePath,omitempty"`
	PID        int    `json:"pid,omitempty"`
}

func (l *Lab) view(m *machine) MachineView {
	ctx := l.context()
	v := MachineView{Moref: m.self.Value, Health: string(guest.Gray)}
	m.mu.Lock()
	v.Name, v.Path, v.Folder = m.name, m.config.dsPath(), filepath.Dir(m.config.local)
	if m.guest != nil {
		v.QEMU = m.guest.PID()
		v.Health = string(m.guest.Health())
	}
	m.mu.Unlock()
	if host, ok := l.registry.Get(m.host).(*simulator.HostSystem); ok {
		v.Host = host.Name
	}
	if vm, ok := l.registry.Get(m.self).(*simulator.VirtualMachine); ok {
		ctx.WithLock(vm, func() {
			v.PowerState = string(vm.Runtime.PowerState)
			for _, d := range vm.Config.Hardware.Device {
				if card, ok := d.(types.BaseVirtualEthernetCard); ok && v.MAC == "" {
					v.MAC = card.GetVirtualEthernetCard().MacAddress
				}
			}
		})
	}
	return v
}

// Machines lists what is registered.
func (l *Lab) Machines() []MachineView {
	views := []MachineView{}
	for _, m := range l.allMachines() {
		views = append(views, l.view(m))
	}
	sort.Slice(views, func(i, j int) bool { return views[i].Name < views[j].Name })
	return views
}

// Datastores lists the production datastores, VMFS and vSAN, and every NFS mount.
func (l *Lab) Datastores() []DatastoreView {
	views := []DatastoreView{}
	for _, name := range append(slices.Clone(ProductionDatastores), VSANDatastores...) {
		ds := l.datastoreByName(name)
		views = append(views, DatastoreView{Name: name, Moref: ds.Self.Value, Type: ds.Summary.Type, Path: l.production(name)})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, n := range l.mounts {
		v := DatastoreView{
			Name: key.datastore, Type: "NFS", Path: n.mount.Directory, RemoteHost: n.remoteHost, RemotePath: n.remotePath,
			PID: n.mount.PID(),
		}
		if ds := l.datastoreByName(key.datastore); ds != nil {
			v.Moref = ds.Self.Value
		}
		if host, ok := l.registry.Get(key.host).(*simulator.HostSystem); ok {
			v.Host = host.Name
		}
		views = append(views, v)
	}
	return views
}

// find finds a machine by name or by managed object id.
func (l *Lab) find(name string) (*machine, error) {
	for _, m := range l.allMachines() {
		m.mu.Lock()
		found := m.name == name || m.self.Value == name
		m.mu.Unlock()
		if found {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no machine %q is registered", name)
}

// Command sends a command to a machine's guest. See lab/guest/init.
func (l *Lab) Command(ctx context.Context, name, text string) (string, error) {
	g, err := l.guestOf(name)
	if err != nil {
		return "", err
	}
	return g.Command(ctx, text)
}

// WaitReady waits until a machine's guest runs, and tells how often it was booted. A machine that is about to be
// powered on, or is registered meanwhile, is waited for too.
func (l *Lab) WaitReady(ctx context.Context, name string) (int, error) {
	for {
		g, err := l.guestOf(name)
		if err == nil {
			return g.WaitReady(ctx)
		}
		select {
		case <-ctx.Done():
			return 0, err
		case <-l.pause():
		}
	}
}

// Logged returns the numbers of the lines that a guest has acknowledged.
func (l *Lab) Logged(name string) ([]int, error) {
	g, err := l.guestOf(name)
	if err != nil {
		return nil, err
	}
	return g.Logged(), nil
}

func (l *Lab) guestOf(name string) (*guest.Machine, error) {
	m, err := l.find(name)
	if err != nil {
		return nil, err
	}
	g := m.running()
	if g == nil {
		return nil, fmt.Errorf("%s is not powered on", name)
	}
	return g, nil
}

const waitInterval = 100 * time.Millisecond

func (l *Lab) pause() <-chan time.Time { return time.After(waitInterval) }
