package nfs3

import (
	"fmt"
	"syscall"
	"time"
)

// FileType is ftype3.
type FileType uint32

const (
	Regular   FileType = 1
	Directory FileType = 2
	Symlink   FileType = 5
)

// Handle is nfs_fh3: opaque to a client, at most 64 bytes.
type Handle []byte

const maxHandleBytes = 64

// Attributes is fattr3, less what a host never looks at.
type Attributes struct {
	Type                        FileType
	Mode, Nlink                 uint32
	UID, GID                    uint32
	SizeBytes, UsedBytes        uint64
	FileID                      uint64
	Accessed, Modified, Changed time.Time
}

func (d *decoder) time() time.Time {
	seconds := d.uint32()
	return time.Unix(int64(seconds), int64(d.uint32()))
}

func (d *decoder) attributes() (a Attributes) {
	a.Type = FileType(d.uint32())
	a.Mode, a.Nlink, a.UID, a.GID = d.uint32(), d.uint32(), d.uint32(), d.uint32()
	a.SizeBytes, a.UsedBytes = d.uint64(), d.uint64()
	d.uint64() // rdev
	d.uint64() // fsid
	a.FileID = d.uint64()
	a.Accessed, a.Modified, a.Changed = d.time(), d.time(), d.time()
	return a
}

// postOp decodes post_op_attr: attributes that the server may leave out.
func (d *decoder) postOp() *Attributes {
	if !d.bool() {
		return nil
	}
	a := d.attributes()
	return &a
}

// wcc decodes wcc_data and keeps what is known of the file after the call.
func (d *decoder) wcc() *Attributes {
	if d.bool() {
		d.take(24)
	}
	return d.postOp()
}

func (d *decoder) handle() Handle {
	h := d.opaque()
	if len(h) > maxHandleBytes {
		d.err = fmt.Errorf("a file handle of %d bytes is longer than the %d that NFSv3 allows", len(h), maxHandleBytes)
		return nil
	}
	return append(Handle(nil), h...)
}

// SetAttributes is sattr3: what is nil stays as it is.
type SetAttributes struct {
	Mode, UID, GID     *uint32
	SizeBytes          *uint64
	Accessed, Modified *time.Time
}

const setToClientTime = 2

func (e *encoder) setAttributes(s SetAttributes) *encoder {
	e.optional(s.Mode).optional(s.UID).optional(s.GID)
	if s.SizeBytes == nil {
		e.uint32(0)
	} else {
		e.uint32(1).uint64(*s.SizeBytes)
	}
	for _, t := range []*time.Time{s.Accessed, s.Modified} {
		if t == nil {
			e.uint32(0)
		} else {
			e.uint32(setToClientTime).uint32(uint32(t.Unix())).uint32(uint32(t.Nanosecond()))
		}
	}
	return e
}

// Status is nfsstat3.
type Status uint32

const (
	statusJukebox     Status = 10008
	statusBadHandle   Status = 10001
	statusNotSync     Status = 10002
	statusBadCookie   Status = 10003
	statusNotSupp     Status = 10004
	statusTooSmall    Status = 10005
	statusServerFault Status = 10006
	statusBadType     Status = 10007
)

func (s Status) Error() string { return fmt.Sprintf("nfsstat3 %d", uint32(s)) }

// Errno is what a program sees. Most codes of RFC 1813 are those of Unix; the others are mapped.
func (s Status) Errno() syscall.Errno {
	switch s {
	case 63:
		return syscall.ENAMETOOLONG
	case 66:
		return syscall.ENOTEMPTY
	case 69:
		return syscall.EDQUOT
	case 70, statusBadHandle:
		return syscall.ESTALE
	case 71:
		return syscall.EREMOTE
	case statusNotSync:
		return syscall.EAGAIN
	case statusNotSupp:
		return syscall.ENOTSUP
	case statusBadCookie, statusTooSmall, statusServerFault, statusBadType:
		return syscall.EIO
	default:
		if s > 133 {
			return syscall.EIO
		}
		return syscall.Errno(s)
	}
}
