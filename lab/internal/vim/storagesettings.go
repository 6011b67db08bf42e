package vim

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/vmware/govmomi/vim25/types"
)

// storageSettings are what a test asks of the storage.
type storageSettings struct {
	bytesPerSecond atomic.Int64
	mu             sync.Mutex
	freeBytes      map[string]int64
}

func newStorageSettings() *storageSettings { return &storageSettings{freeBytes: map[string]int64{}} }

// rate is the limit of copies and merges; 0 stands for none.
func (s *storageSettings) rate() int64 { return s.bytesPerSecond.Load() }

// free is what a datastore shows as free: what there is, or less when that was asked for.
func (s *storageSettings) free(datastore string, real int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit, limited := s.freeBytes[datastore]; limited {
		return min(limit, real)
	}
	return real
}

// SetStorageRate limits how fast copies, merges and relocations that start from now on move data; 0 lifts the limit.
func (l *Lab) SetStorageRate(bytesPerSecond int64) error {
	if bytesPerSecond < 0 {
		return fmt.Errorf("a rate is 0 (no limit) or more bytes per second, not %d", bytesPerSecond)
	}
	l.storage.bytesPerSecond.Store(bytesPerSecond)
	return nil
}

// isFull tells a datastore that was told to have no space at all.
func (s *storageSettings) isFull(datastore string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, limited := s.freeBytes[datastore]
	return limited && limit == 0
}

// SetFreeSpace lets a datastore have no more than so many free bytes; a negative number lifts the limit. Without any
// space a machine that runs stands still when it next writes there, and asks.
func (l *Lab) SetFreeSpace(datastore string, bytes int64) error {
	ds := l.datastoreByName(datastore)
	if ds == nil {
		return fmt.Errorf("there is no datastore %q", datastore)
	}
	l.storage.mu.Lock()
	if bytes < 0 {
		delete(l.storage.freeBytes, datastore)
	} else {
		l.storage.freeBytes[datastore] = bytes
	}
	l.storage.mu.Unlock()
	l.refresh(ds)
	for _, m := range l.allMachines() {
		m.stallWhereFull(func(name string) bool { return name == datastore && l.storage.isFull(name) })
	}
	return nil
}

// SetVMotion says whether the hosts may move machines that run.
func (l *Lab) SetVMotion(allowed bool) {
	for _, h := range l.hosts() {
		ctx := l.context()
		ctx.WithLock(h, func() {
			capability := *h.Capability
			capability.VmotionSupported, capability.StorageVMotionSupported = allowed, allowed
			capability.VmotionWithStorageVMotionSupported = allowed
			ctx.Update(h, []types.PropertyChange{{Name: "capability", Val: &capability}})
		})
	}
}
