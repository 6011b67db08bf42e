package nfs3

import (
	"syscall"
)

const fileSync = 2

func file(h Handle) *encoder { return (&encoder{}).opaque(h) }

func entry(directory Handle, name string) *encoder { return file(directory).string(name) }

// malformed turns a reply that ended too early into an I/O error.
func malformed(d *decoder) syscall.Errno {
	if d.err != nil {
		return syscall.EIO
	}
	return 0
}

// Getattr is NFSPROC3_GETATTR.
func (c *Client) Getattr(h Handle) (Attributes, syscall.Errno) {
	reply, _, errno := c.do(procGetattr, file(h).b)
	if errno != 0 {
		return Attributes{}, errno
	}
	a := reply.attributes()
	return a, malformed(reply)
}

// Setattr is NFSPROC3_SETATTR, unguarded.
func (c *Client) Setattr(h Handle, s SetAttributes) (Attributes, syscall.Errno) {
	reply, _, errno := c.do(procSetattr, file(h).setAttributes(s).uint32(0).b)
	if errno != 0 {
		return Attributes{}, errno
	}
	if after := reply.wcc(); after != nil && reply.err == nil {
		return *after, 0
	}
	return c.Getattr(h)
}

// Lookup is NFSPROC3_LOOKUP.
func (c *Client) Lookup(directory Handle, name string) (Handle, Attributes, syscall.Errno) {
	reply, _, errno := c.do(procLookup, entry(directory, name).b)
	if errno != 0 {
		return nil, Attributes{}, errno
	}
	return c.found(reply.handle(), reply)
}

func (c *Client) found(h Handle, reply *decoder) (Handle, Attributes, syscall.Errno) {
	known := reply.postOp()
	if errno := malformed(reply); errno != 0 {
		return nil, Attributes{}, errno
	}
	if known != nil {
		return h, *known, 0
	}
	a, errno := c.Getattr(h)
	return h, a, errno
}

// Readlink is NFSPROC3_READLINK.
func (c *Client) Readlink(h Handle) (string, syscall.Errno) {
	reply, _, errno := c.do(procReadlink, file(h).b)
	if errno != 0 {
		return "", errno
	}
	reply.postOp()
	target := reply.string()
	return target, malformed(reply)
}

// Read fills into from the file, in as many calls as the server's limit asks for; it stops early only at the end.
func (c *Client) Read(h Handle, into []byte, offset uint64) (int, syscall.Errno) {
	done := 0
	for done < len(into) {
		count := min(c.ReadBytesMax, uint32(len(into)-done))
		reply, _, errno := c.do(procRead, file(h).uint64(offset+uint64(done)).uint32(count).b)
		if errno != 0 {
			return done, errno
		}
		reply.postOp()
		reply.uint32()
		eof := reply.bool()
		data := reply.opaque()
		if errno := malformed(reply); errno != 0 {
			return done, errno
		}
		done += copy(into[done:], data)
		if eof || len(data) == 0 {
			break
		}
	}
	return done, 0
}

// Write is NFSPROC3_WRITE with FILE_SYNC: when it returns, the data is on stable storage.
func (c *Client) Write(h Handle, data []byte, offset uint64) (int, syscall.Errno) {
	done := 0
	for done < len(data) {
		part := data[done:min(len(data), done+int(c.WriteBytesMax))]
		n := uint32(len(part))
		head := file(h).uint64(offset + uint64(done)).uint32(n).uint32(fileSync).uint32(n)
		reply, _, errno := c.do(procWrite, head.b, part, padding(len(part)))
		if errno != 0 {
			return done, errno
		}
		reply.wcc()
		written := int(reply.uint32())
		committed := reply.uint32()
		if reply.err != nil || written == 0 || written > len(part) || committed != fileSync {
			return done, syscall.EIO
		}
		done += written
	}
	return done, 0
}

// Commit is NFSPROC3_COMMIT of the whole file.
func (c *Client) Commit(h Handle) syscall.Errno {
	_, _, errno := c.do(procCommit, file(h).uint64(0).uint32(0).b)
	return errno
}

// Fsstat is NFSPROC3_FSSTAT: the file system's total, free and available bytes.
func (c *Client) Fsstat(h Handle) (total, free, available uint64, errno syscall.Errno) {
	reply, _, errno := c.do(procFsstat, file(h).b)
	if errno != 0 {
		return 0, 0, 0, errno
	}
	reply.postOp()
	total, free, available = reply.uint64(), reply.uint64(), reply.uint64()
	return total, free, available, malformed(reply)
}

// DirectoryEntry is entry3.
type DirectoryEntry struct {
	FileID uint64
	Name   string
}

const readdirBytes = 32 << 10

// Readdir lists a directory, without "." and "..".
func (c *Client) Readdir(h Handle) ([]DirectoryEntry, syscall.Errno) {
	var entries []DirectoryEntry
	var cookie, verifier uint64
	for {
		reply, _, errno := c.do(procReaddir, file(h).uint64(cookie).uint64(verifier).uint32(readdirBytes).b)
		if errno != 0 {
			return nil, errno
		}
		reply.postOp()
		verifier = reply.uint64()
		for reply.bool() {
			e := DirectoryEntry{FileID: reply.uint64(), Name: reply.string()}
			cookie = reply.uint64()
			if e.Name != "." && e.Name != ".." {
				entries = append(entries, e)
			}
		}
		end := reply.bool()
		if errno := malformed(reply); errno != 0 {
			return nil, errno
		}
		if end {
			return entries, 0
		}
	}
}
