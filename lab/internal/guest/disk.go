package guest

import (
	"encoding/json"
	"fmt"
)

// Disk is a disk at one place of a controller. ID names the device for good; Layers are the files that hold its
// bytes, base first: the last one is written.
type Disk struct {
	Kind      string
	Bus, Unit int
	ID        string
	Layers    []Layer
}

// Layer is one file of a disk. Node names it in QMP; Format is raw, qcow2 or vmdk. Direct keeps the page cache of
// this machine out of the way: true for a network datastore.
type Layer struct {
	Node   string
	File   string
	Format string
	Direct bool
}

// options is what -blockdev and blockdev-add take. below is the node of the layer that this one stands on; nil says
// that it has none (yet).
func (y Layer) options(below any) map[string]any {
	o := map[string]any{
		"driver": y.Format, "node-name": y.Node, "discard": "unmap",
		"file": map[string]any{
			"driver": "file", "filename": y.File, "discard": "unmap",
			"cache": map[string]any{"direct": y.Direct, "no-flush": false},
		},
	}
	if y.Format == "qcow2" {
		o["backing"] = below
	}
	return o
}

// ImageName is the name by which qemu-img opens a chain, base first, without trusting what the files say about
// each other.
func ImageName(layers []Layer) (string, error) {
	var below any
	for _, y := range layers {
		o := y.options(below)
		delete(o, "node-name")
		below = o
	}
	text, err := json.Marshal(below)
	return "json:" + string(text), err
}

func (d Disk) arguments(order int) ([]string, error) {
	var a []string
	var below any
	for _, y := range d.Layers {
		text, err := json.Marshal(y.options(below))
		if err != nil {
			return nil, err
		}
		a = append(a, "-blockdev", string(text))
		below = y.Node
	}
	device, err := d.device()
	if err != nil {
		return nil, err
	}
	device["bootindex"] = order
	text, err := json.Marshal(device)
	return append(a, "-device", string(text)), err
}

// deviceID is QEMU's name of the disk's device.
func (d Disk) deviceID() string { return "device-" + d.ID }

// device is what -device and device_add take.
func (d Disk) device() (map[string]any, error) {
	device := map[string]any{"id": d.deviceID()}
	if n := len(d.Layers); n > 0 {
		device["drive"] = d.Layers[n-1].Node
	}
	bus := fmt.Sprintf("%s%d", d.Kind, d.Bus)
	switch d.Kind {
	case "scsi":
		device["driver"], device["bus"], device["scsi-id"], device["lun"] = "scsi-hd", bus+".0", d.Unit, 0
	case "sata":
		device["driver"], device["bus"] = "ide-hd", fmt.Sprintf("%s.%d", bus, d.Unit)
	case "nvme":
		device["driver"], device["bus"], device["nsid"] = "nvme-ns", bus, d.Unit+1
	case "ide":
		device["driver"], device["bus"], device["unit"] = "ide-hd", fmt.Sprintf("ide.%d", d.Bus), d.Unit
	default:
		return nil, fmt.Errorf("a disk can't hang on a %q controller", d.Kind)
	}
	return device, nil
}
