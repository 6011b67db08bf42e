package vmx

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// maxSnapshots is a host's own limit of a chain.
const maxSnapshots = 32

// Snapshot is one of a machine's snapshots as its .vmsd keeps it, oldest first. Disks maps a place, as in "scsi0:0",
// to the disk that the snapshot froze, as the .vmx would name it.
type Snapshot struct {
	UID                      int
	File                     string
	DisplayName, Description string
	Created                  time.Time
	Disks                    []SnapshotDisk
}

// SnapshotDisk is a disk that a snapshot froze.
type SnapshotDisk struct{ Node, File string }

// ReadSnapshots reads a .vmsd; a machine without one has no snapshots. The lab's snapshots are one line without
// branches, in the order of the file.
func ReadSnapshots(path string) ([]Snapshot, error) {
	f, err := Read(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	count := f.number("snapshot.numSnapshots", 0)
	if count < 0 || count > maxSnapshots {
		return nil, fmt.Errorf("%w: %s tells of %d snapshots", ErrMalformed, path, count)
	}
	var list []Snapshot
	for i := range int(count) {
		name := fmt.Sprintf("snapshot%d.", i)
		s := Snapshot{
			UID: int(f.number(name+"uid", int64(i+1))), File: f.Get(name + "filename"),
			DisplayName: f.Get(name + "displayName"), Description: f.Get(name + "description"),
			Created: time.UnixMicro(f.number(name+"createTimeHigh", 0)<<32 | int64(uint32(f.number(name+"createTimeLow", 0)))),
		}
		for j := range int(min(f.number(name+"numDisks", 0), maxControllers*maxSCSIUnits)) {
			disk := fmt.Sprintf("%sdisk%d.", name, j)
			s.Disks = append(s.Disks, SnapshotDisk{Node: f.Get(disk + "node"), File: f.Get(disk + "fileName")})
		}
		list = append(list, s)
	}
	return list, nil
}

// WriteSnapshots replaces a .vmsd.
func WriteSnapshots(path string, list []Snapshot) error {
	f := &File{}
	if len(list) > 0 {
		last := list[len(list)-1]
		f.Set("snapshot.lastUID", strconv.Itoa(last.UID))
		f.Set("snapshot.current", strconv.Itoa(last.UID))
	}
	f.Set("snapshot.numSnapshots", strconv.Itoa(len(list)))
	for i, s := range list {
		name := fmt.Sprintf("snapshot%d.", i)
		f.Set(name+"uid", strconv.Itoa(s.UID))
		f.Set(name+"filename", s.File)
		if i > 0 {
			f.Set(name+"parent", strconv.Itoa(list[i-1].UID))
		}
		f.Set(name+"displayName", s.DisplayName)
		f.Set(name+"description", s.Description)
		f.Set(name+"createTimeHigh", strconv.FormatInt(s.Created.UnixMicro()>>32, 10))
		f.Set(name+"createTimeLow", strconv.FormatInt(int64(int32(s.Created.UnixMicro())), 10))
		f.Set(name+"numDisks", strconv.Itoa(len(s.Disks)))
		for j, d := range s.Disks {
			f.Set(fmt.Sprintf("%sdisk%d.fileName", name, j), d.File)
			f.Set(fmt.Sprintf("%sdisk%d.node", name, j), d.Node)
		}
	}
	return f.Write(path)
}
