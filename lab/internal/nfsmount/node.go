// Package nfsmount shows an NFSv3 export as a directory of this machine: a FUSE file system over package nfs3. It is
// what the lab's hosts mount their NFS datastores with. Nothing is cached in the kernel (direct I/O, attributes and
// names without a lifetime), because an ESXi host sees a change on the server at its next call too.
//
// Limits: no hard links, no device files, no extended attributes, no locks across machines.
package nfsmount

import (
	"context"
	"hash/fnv"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rundirect.dev/lab/internal/nfs3"
)

// node is a file or directory of the export.
type node struct {
	fs.Inode
	client *nfs3.Client
	handle nfs3.Handle
}

var (
	_ fs.NodeLookuper   = (*node)(nil)
	_ fs.NodeGetattrer  = (*node)(nil)
	_ fs.NodeSetattrer  = (*node)(nil)
	_ fs.NodeReadlinker = (*node)(nil)
	_ fs.NodeReaddirer  = (*node)(nil)
	_ fs.NodeStatfser   = (*node)(nil)
)

const blockBytes = 4096

var fileMode = map[nfs3.FileType]uint32{
	nfs3.Regular: syscall.S_IFREG, nfs3.Directory: syscall.S_IFDIR, nfs3.Symlink: syscall.S_IFLNK,
}

func fill(a nfs3.Attributes, out *fuse.Attr) {
	out.Mode = fileMode[a.Type] | a.Mode&0o7777
	out.Nlink, out.Owner.Uid, out.Owner.Gid = a.Nlink, a.UID, a.GID
	out.Size, out.Blocks, out.Blksize, out.Ino = a.SizeBytes, (a.UsedBytes+511)/512, blockBytes, a.FileID
	out.SetTimes(&a.Accessed, &a.Modified, &a.Changed)
}

// child makes the inode of something that a call has just returned. Its generation is derived from the handle, so
// that a file id that a server uses again is not taken for the file that had it before.
func (n *node) child(ctx context.Context, h nfs3.Handle, a nfs3.Attributes, out *fuse.EntryOut) *fs.Inode {
	fill(a, &out.Attr)
	generation := fnv.New64a()
	_, _ = generation.Write(h)
	identity := fs.StableAttr{Mode: out.Attr.Mode & syscall.S_IFMT, Ino: a.FileID, Gen: generation.Sum64()}
	return n.NewInode(ctx, &node{client: n.client, handle: h}, identity)
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	h, a, errno := n.client.Lookup(n.handle, name)
	if errno != 0 {
		return nil, errno
	}
	return n.child(ctx, h, a, out), 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	a, errno := n.client.Getattr(n.handle)
	if errno == 0 {
		fill(a, &out.Attr)
	}
	return errno
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	a, errno := n.client.Setattr(n.handle, wanted(in))
	if errno == 0 {
		fill(a, &out.Attr)
	}
	return errno
}

func wanted(in *fuse.SetAttrIn) (s nfs3.SetAttributes) {
	if mode, ok := in.GetMode(); ok {
		mode &= 0o7777
		s.Mode = &mode
	}
	if uid, ok := in.GetUID(); ok {
		s.UID = &uid
	}
	if gid, ok := in.GetGID(); ok {
		s.GID = &gid
	}
	if size, ok := in.GetSize(); ok {
		s.SizeBytes = &size
	}
	if t, ok := in.GetATime(); ok {
		s.Accessed = &t
	}
	if t, ok := in.GetMTime(); ok {
		s.Modified = &t
	}
	return s
}

func (n *node) Readlink(context.Context) ([]byte, syscall.Errno) {
	target, errno := n.client.Readlink(n.handle)
	return []byte(target), errno
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	entries, errno := n.client.Readdir(n.handle)
	if errno != 0 {
		return nil, errno
	}
	list := make([]fuse.DirEntry, len(entries))
	for i, e := range entries {
		list[i] = fuse.DirEntry{Name: e.Name, Ino: e.FileID}
	}
	return fs.NewListDirStream(list), 0
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	total, free, available, errno := n.client.Fsstat(n.handle)
	out.Bsize, out.Frsize, out.NameLen = blockBytes, blockBytes, 255
	out.Blocks, out.Bfree, out.Bavail = total/blockBytes, free/blockBytes, available/blockBytes
	return errno
}
