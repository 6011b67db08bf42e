package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const unplugTimeout = 20 * time.Second

// AddController plugs a SCSI controller into the running machine.
func (m *Machine) AddController(c Controller) error {
	model, known := scsiModels[c.Model]
	if c.Kind != "scsi" || !known {
		return fmt.Errorf("a running machine gets SCSI controllers alone, not %s %s", c.Kind, c.Model)
	}
	return m.monitor.execute("device_add", map[string]any{"driver": model, "id": c.id()}, nil)
}

// RemoveController unplugs a controller that nothing hangs on.
func (m *Machine) RemoveController(c Controller) error { return m.unplug(c.id()) }

// AddDisk plugs a disk into the running machine: on a SCSI controller, since QEMU's others take none while it runs.
func (m *Machine) AddDisk(d Disk) error {
	device, err := d.device()
	if err != nil {
		return err
	}
	var below any
	for i, y := range d.Layers {
		if err := m.monitor.execute("blockdev-add", y.options(below), nil); err != nil {
			return errors.Join(err, m.closeLayers(d.Layers[:i]))
		}
		below = y.Node
	}
	if err := m.monitor.execute("device_add", device, nil); err != nil {
		return errors.Join(err, m.closeLayers(d.Layers))
	}
	return nil
}

// RemoveDisk unplugs a disk and lets go of its files.
func (m *Machine) RemoveDisk(d Disk) error {
	if err := m.unplug(d.deviceID()); err != nil {
		return err
	}
	return m.closeLayers(d.Layers)
}

// closeLayers lets go of a chain, the upper layer first.
func (m *Machine) closeLayers(layers []Layer) error {
	var all error
	for i := len(layers) - 1; i >= 0; i-- {
		all = errors.Join(all, m.CloseLayer(layers[i].Node))
	}
	return all
}

// unplug returns when the device is gone; one on the PCI bus goes only once the guest agrees.
func (m *Machine) unplug(device string) error {
	gone := m.unplugged.await(device)
	defer m.unplugged.forget(device)
	if err := m.monitor.execute("device_del", map[string]any{"id": device}, nil); err != nil {
		return err
	}
	select {
	case <-gone:
		return nil
	case <-m.ended:
		return errMonitorClosed
	case <-time.After(unplugTimeout):
		return fmt.Errorf("the guest did not let go of %s within %v", device, unplugTimeout)
	}
}

// deviceGone hears QEMU's DEVICE_DELETED.
func (m *Machine) deviceGone(data json.RawMessage) {
	var about struct{ Device string }
	if json.Unmarshal(data, &about) == nil && about.Device != "" {
		m.unplugged.gone(about.Device)
	}
}
