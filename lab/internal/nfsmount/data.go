package nfsmount

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

var (
	_ fs.NodeOpener  = (*node)(nil)
	_ fs.NodeReader  = (*node)(nil)
	_ fs.NodeWriter  = (*node)(nil)
	_ fs.NodeFsyncer = (*node)(nil)
)

// openFlags keeps the kernel's page cache out of the way and lets writes to one file run beside each other.
const openFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, openFlags, 0
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, into []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	count, errno := n.client.Read(n.handle, into, uint64(offset))
	if errno != 0 {
		return nil, errno
	}
	return fuse.ReadResultData(into[:count]), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	count, errno := n.client.Write(n.handle, data, uint64(offset))
	if count > 0 {
		errno = 0 // what was written counts; the next call meets the error again
	}
	return uint32(count), errno
}

func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.client.Commit(n.handle)
}
