package nfs3

import (
	"crypto/rand"
	"syscall"
)

// The calls that change a directory. A hard mount repeats a call whose answer was lost, and the server may have
// executed the first one: REMOVE then answers NOENT, MKDIR answers EXIST. Only when a call was sent more than once
// are those answers taken for success. CREATE does not need that: its EXCLUSIVE form is idempotent by its verifier.

const (
	createUnchecked = 0
	createExclusive = 2
)

// Create makes a file, or opens the one that is there unless exclusive.
func (c *Client) Create(directory Handle, name string, mode uint32, exclusive bool) (Handle, Attributes, syscall.Errno) {
	arguments := entry(directory, name)
	if exclusive {
		var verifier [8]byte
		_, _ = rand.Read(verifier[:])
		arguments.uint32(createExclusive)
		arguments.b = append(arguments.b, verifier[:]...)
	} else {
		arguments.uint32(createUnchecked).setAttributes(SetAttributes{Mode: &mode})
	}
	reply, _, errno := c.do(procCreate, arguments.b)
	if errno != 0 {
		return nil, Attributes{}, errno
	}
	h, a, errno := c.made(directory, name, reply)
	if errno == 0 && exclusive { // an EXCLUSIVE CREATE carries no attributes (RFC 1813, section 3.3.8)
		a, errno = c.Setattr(h, SetAttributes{Mode: &mode})
	}
	return h, a, errno
}

// Mkdir is NFSPROC3_MKDIR.
func (c *Client) Mkdir(directory Handle, name string, mode uint32) (Handle, Attributes, syscall.Errno) {
	reply, tries, errno := c.do(procMkdir, entry(directory, name).setAttributes(SetAttributes{Mode: &mode}).b)
	if errno == syscall.EEXIST && tries > 1 {
		return c.Lookup(directory, name)
	}
	if errno != 0 {
		return nil, Attributes{}, errno
	}
	return c.made(directory, name, reply)
}

// Symlink is NFSPROC3_SYMLINK.
func (c *Client) Symlink(directory Handle, name, target string) (Handle, Attributes, syscall.Errno) {
	mode := uint32(0o777)
	reply, tries, errno := c.do(procSymlink, entry(directory, name).setAttributes(SetAttributes{Mode: &mode}).string(target).b)
	if errno == syscall.EEXIST && tries > 1 {
		return c.Lookup(directory, name)
	}
	if errno != 0 {
		return nil, Attributes{}, errno
	}
	return c.made(directory, name, reply)
}

// made reads post_op_fh3 and post_op_attr of something new.
func (c *Client) made(directory Handle, name string, reply *decoder) (Handle, Attributes, syscall.Errno) {
	if !reply.bool() {
		return c.Lookup(directory, name)
	}
	return c.found(reply.handle(), reply)
}

// repeated forgives the answer that a call gets whose first sending was executed already.
func repeated(errno, expected syscall.Errno, tries int) syscall.Errno {
	if errno == expected && tries > 1 {
		return 0
	}
	return errno
}

// Remove is NFSPROC3_REMOVE.
func (c *Client) Remove(directory Handle, name string) syscall.Errno {
	_, tries, errno := c.do(procRemove, entry(directory, name).b)
	return repeated(errno, syscall.ENOENT, tries)
}

// Rmdir is NFSPROC3_RMDIR.
func (c *Client) Rmdir(directory Handle, name string) syscall.Errno {
	_, tries, errno := c.do(procRmdir, entry(directory, name).b)
	return repeated(errno, syscall.ENOENT, tries)
}

// Rename is NFSPROC3_RENAME.
func (c *Client) Rename(from Handle, name string, to Handle, newName string) syscall.Errno {
	arguments := entry(from, name)
	arguments.opaque(to).string(newName)
	_, tries, errno := c.do(procRename, arguments.b)
	return repeated(errno, syscall.ENOENT, tries)
}
