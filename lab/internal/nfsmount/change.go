package nfsmount

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

var (
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeSymlinker = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
)

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	h, a, errno := n.client.Create(n.handle, name, mode&0o7777, flags&syscall.O_EXCL != 0)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return n.child(ctx, h, a, out), nil, openFlags, 0
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	h, a, errno := n.client.Mkdir(n.handle, name, mode&0o7777)
	if errno != 0 {
		return nil, errno
	}
	return n.child(ctx, h, a, out), 0
}

func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	h, a, errno := n.client.Symlink(n.handle, name, target)
	if errno != 0 {
		return nil, errno
	}
	return n.child(ctx, h, a, out), 0
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.client.Remove(n.handle, name)
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return n.client.Rmdir(n.handle, name)
}

func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL // NFSv3 knows neither exchange nor no-replace
	}
	directory, ok := to.EmbeddedInode().Operations().(*node)
	if !ok {
		return syscall.EXDEV
	}
	return n.client.Rename(n.handle, name, directory.handle, newName)
}
