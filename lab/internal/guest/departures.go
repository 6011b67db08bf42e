package guest

import "sync"

// departures are devices that somebody waits for to be gone.
type departures struct {
	mu      sync.Mutex
	waiting map[string]chan struct{}
}

// await returns a channel that is closed when the device is gone.
func (d *departures) await(device string) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == nil {
		d.waiting = map[string]chan struct{}{}
	}
	gone := make(chan struct{})
	d.waiting[device] = gone
	return gone
}

func (d *departures) gone(device string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if gone := d.waiting[device]; gone != nil {
		close(gone)
		delete(d.waiting, device)
	}
}

func (d *departures) forget(device string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waiting, device)
}
