package vim

import (
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/vmx"
)

// machine is what the lab knows of a registered virtual machine beside its properties.
type machine struct {
	lab  *Lab
	self types.ManagedObjectReference
	host types.ManagedObjectReference
	// config is the .vmx.
	config place

	// busy is held by the task that changes the machine; a second one gets TaskInProgress.
	busy sync.Mutex

	mu          sync.Mutex
	name        string
	file        *vmx.File
	datastores  []types.ManagedObjectReference
	guest       *guest.Machine
	chains      map[int32]chain // the open disks of a machine that is powered on, by device key
	snapshots   []snapshotRecord
	locks       []string // files that exist while the machine is powered on
	question    *question
	screenshots int
}

func (m *machine) uses(datastore types.ManagedObjectReference) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.datastores {
		if d == datastore {
			return true
		}
	}
	return false
}

func (m *machine) running() *guest.Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.guest
}

// takeGuest makes the caller the one who ends the guest: its own end then means nothing to anybody else.
func (m *machine) takeGuest() *guest.Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.guest
	m.guest = nil
	return g
}

// log appends to the machine's vmware.log, as far as its datastore lets it.
func (m *machine) log(format string, arguments ...any) {
	file, err := os.OpenFile(m.config.beside("vmware.log").local, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(file, "%s vmx| %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), fmt.Sprintf(format, arguments...))
	_ = file.Close()
}

// locationUUID is a UUID that names a place: what uuid.location of a .vmx is compared with.
func locationUUID(parts ...string) string {
	hash := sha256.New()
	for _, p := range parts {
		hash.Write([]byte(p))
		hash.Write([]byte{0})
	}
	b := hash.Sum(nil)[:16]
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// location is where the machine's .vmx lies, as a host knows it: the datastore's backing and the path on it.
func (l *Lab) location(p place) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, n := range l.mounts {
		if key.datastore == p.datastore.Name {
			return locationUUID("nfs", n.remoteHost, n.remotePath, p.path)
		}
	}
	return locationUUID("vmfs", p.datastore.Name, p.path)
}
