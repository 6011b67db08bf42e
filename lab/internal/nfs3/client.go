// Package nfs3 is a pipelined NFSv3 client (RFC 1813) that behaves as an ESXi host does towards its datastores:
// TCP only, root credentials, FILE_SYNC writes, and a hard mount, which repeats a call for ever, with the same file
// handle, until the server answers it. Ports are given, never asked from a portmapper, so that a server on any port
// can be mounted.
//
// Limits: no NLM, no ACLs, no NFSv4. A repeated call that the server had executed before the connection broke is
// recognised for the procedures where that changes the answer (see repeated).
package nfs3

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	mountProgram = 100005
	nfsProgram   = 100003
	version3     = 3

	maxTransferBytes     = 1 << 20
	defaultTransferBytes = 64 << 10
	callTimeout          = 30 * time.Second
	mountTimeout         = 10 * time.Second
	firstRetryDelay      = 50 * time.Millisecond
	maxRetryDelay        = time.Second
)

// Procedures of NFSv3, in the order of RFC 1813.
const (
	procGetattr  = 1
	procSetattr  = 2
	procLookup   = 3
	procReadlink = 5
	procRead     = 6
	procWrite    = 7
	procCreate   = 8
	procMkdir    = 9
	procSymlink  = 10
	procRemove   = 12
	procRmdir    = 13
	procRename   = 14
	procReaddir  = 16
	procFsstat   = 18
	procFsinfo   = 19
	procCommit   = 21
)

// Client is one mounted export.
type Client struct {
	Root                        Handle
	ReadBytesMax, WriteBytesMax uint32
	address                     string
	xid, turn                   atomic.Uint32
	connections                 []slot
}

// slot is the place of one connection: when it breaks, the next call through it dials again.
type slot struct {
	mu         sync.Mutex
	connection *connection
}

// Options says what to mount.
type Options struct {
	Host               string
	NFSPort, MountPort int
	Path               string
	Connections        int
}

// Mount asks the server's MOUNT service for the export's root and opens the connections. Unlike everything after
// it, it gives up: a host tells at once that it can't mount.
func Mount(o Options) (*Client, error) {
	root, err := askForRoot(o)
	if err != nil {
		return nil, err
	}
	c := &Client{
		Root:          root,
		ReadBytesMax:  defaultTransferBytes,
		WriteBytesMax: defaultTransferBytes,
		address:       net.JoinHostPort(o.Host, strconv.Itoa(o.NFSPort)),
		connections:   make([]slot, max(1, o.Connections)),
	}
	c.xid.Store(uint32(time.Now().UnixNano()))
	first, err := dial(c.address)
	if err != nil {
		return nil, fmt.Errorf("the NFS service at %s: %w", c.address, err)
	}
	c.connections[0].connection = first
	info, err := first.call(c.xid.Add(1), nfsProgram, version3, procFsinfo, mountTimeout, (&encoder{}).opaque(root).b)
	if err != nil {
		return nil, fmt.Errorf("FSINFO of %s: %w", o.Path, err)
	}
	c.takeTransferSizes(info)
	return c, nil
}

// askForRoot is MOUNTPROC3_MNT.
func askForRoot(o Options) (Handle, error) {
	address := net.JoinHostPort(o.Host, strconv.Itoa(o.MountPort))
	connection, err := dial(address)
	if err != nil {
		return nil, fmt.Errorf("the MOUNT service at %s: %w", address, err)
	}
	defer connection.close(errConnectionLost)
	const procMnt = 1
	reply, err := connection.call(1, mountProgram, version3, procMnt, mountTimeout, (&encoder{}).string(o.Path).b)
	if err != nil {
		return nil, fmt.Errorf("MOUNT of %s at %s: %w", o.Path, address, err)
	}
	if status := reply.uint32(); status != 0 {
		return nil, fmt.Errorf("MOUNT of %s at %s was refused: mountstat3 %d (%w)", o.Path, address, status, Status(status).Errno())
	}
	root := reply.handle()
	return root, reply.err
}

func (c *Client) takeTransferSizes(info *decoder) {
	if info.uint32() != 0 {
		return
	}
	info.postOp()
	readMax, readPreferred := info.uint32(), info.uint32()
	info.uint32()
	writeMax, writePreferred := info.uint32(), info.uint32()
	if info.err != nil {
		return
	}
	c.ReadBytesMax = transferSize(readPreferred, readMax)
	c.WriteBytesMax = transferSize(writePreferred, writeMax)
}

func transferSize(preferred, most uint32) uint32 {
	size := preferred
	if size == 0 || size > most {
		size = most
	}
	if size == 0 {
		size = defaultTransferBytes
	}
	return min(size, maxTransferBytes)
}

// do repeats a call until the server has answered it: the hard mount. tries tells how often it was sent.
func (c *Client) do(procedure uint32, arguments ...[]byte) (reply *decoder, tries int, errno syscall.Errno) {
	place := &c.connections[int(c.turn.Add(1))%len(c.connections)]
	delay := firstRetryDelay
	for {
		connection, err := place.open(c.address)
		if err == nil {
			tries++
			reply, err = connection.call(c.xid.Add(1), nfsProgram, version3, procedure, callTimeout, arguments...)
			if err == nil {
				status := Status(reply.uint32())
				if status == 0 {
					return reply, tries, 0
				}
				if status != statusJukebox {
					return reply, tries, status.Errno()
				}
			} else if _, final := err.(refusal); final {
				return nil, tries, syscall.EIO
			}
		}
		time.Sleep(delay)
		delay = min(2*delay, maxRetryDelay)
	}
}

func (s *slot) open(address string) (*connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connection != nil && s.connection.alive() {
		return s.connection, nil
	}
	fresh, err := dial(address)
	if err != nil {
		return nil, err
	}
	s.connection = fresh
	return fresh, nil
}
