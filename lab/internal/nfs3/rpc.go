package nfs3

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	lastFragment   = 1 << 31
	maxReplyBytes  = 4 << 20
	dialTimeout    = 5 * time.Second
	rpcVersion     = 2
	authUnix       = 1
	readBufferSize = 256 << 10
)

var errConnectionLost = errors.New("the connection to the NFS server was lost")

// connection is one TCP connection of ONC RPC (RFC 5531) that carries many calls at once.
type connection struct {
	socket  net.Conn
	writing sync.Mutex

	mu      sync.Mutex
	pending map[uint32]chan []byte
	failed  error
}

func dial(address string) (*connection, error) {
	socket, err := net.DialTimeout("tcp", address, dialTimeout)
	if err != nil {
		return nil, err
	}
	c := &connection{socket: socket, pending: map[uint32]chan []byte{}}
	go c.readReplies()
	return c, nil
}

func (c *connection) readReplies() {
	reader := bufio.NewReaderSize(c.socket, readBufferSize)
	for {
		reply, err := readRecord(reader)
		if err != nil {
			c.close(err)
			return
		}
		if len(reply) < 4 {
			continue
		}
		xid := binary.BigEndian.Uint32(reply)
		c.mu.Lock()
		waiting := c.pending[xid]
		delete(c.pending, xid)
		c.mu.Unlock()
		if waiting != nil {
			waiting <- reply[4:]
		}
	}
}

// readRecord joins the fragments of one record (RFC 5531, section 11).
func readRecord(from io.Reader) ([]byte, error) {
	var record []byte
	for {
		var header [4]byte
		if _, err := io.ReadFull(from, header[:]); err != nil {
			return nil, err
		}
		mark := binary.BigEndian.Uint32(header[:])
		length := int(mark &^ lastFragment)
		if len(record)+length > maxReplyBytes {
			return nil, fmt.Errorf("an RPC reply is longer than %d bytes", maxReplyBytes)
		}
		start := len(record)
		record = append(record, make([]byte, length)...)
		if _, err := io.ReadFull(from, record[start:]); err != nil {
			return nil, err
		}
		if mark&lastFragment != 0 {
			return record, nil
		}
	}
}

// close fails everything that waits on this connection. The first reason is kept.
func (c *connection) close(reason error) {
	c.mu.Lock()
	if c.failed == nil {
		c.failed = reason
	}
	for xid, waiting := range c.pending {
		close(waiting)
		delete(c.pending, xid)
	}
	c.mu.Unlock()
	_ = c.socket.Close()
}

func (c *connection) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed == nil
}

// credential is the AUTH_UNIX body of a host that acts as root, as ESXi does.
var credential = (&encoder{}).uint32(0).string("rundirect-lab").uint32(0).uint32(0).uint32(0).b

// call sends one call and waits for its answer. An error means that it is unknown whether the server has done it.
func (c *connection) call(xid, program, version, procedure uint32, timeout time.Duration, arguments ...[]byte) (*decoder, error) {
	head := &encoder{b: make([]byte, 4, 128)}
	head.uint32(xid).uint32(0).uint32(rpcVersion).uint32(program).uint32(version).uint32(procedure)
	head.uint32(authUnix).opaque(credential).uint32(0).uint32(0)
	length := len(head.b) - 4
	for _, a := range arguments {
		length += len(a)
	}
	binary.BigEndian.PutUint32(head.b, uint32(length)|lastFragment)

	answer := make(chan []byte, 1)
	c.mu.Lock()
	if c.failed != nil {
		c.mu.Unlock()
		return nil, c.failed
	}
	c.pending[xid] = answer
	c.mu.Unlock()

	buffers := net.Buffers(append([][]byte{head.b}, arguments...))
	c.writing.Lock()
	_, err := buffers.WriteTo(c.socket)
	c.writing.Unlock()
	if err != nil {
		c.close(err)
		return nil, err
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case reply, ok := <-answer:
		if !ok {
			return nil, errConnectionLost
		}
		return acceptedReply(reply)
	case <-timer.C:
		err := fmt.Errorf("no answer within %v", timeout)
		c.close(err)
		return nil, err
	}
}

// acceptedReply takes the envelope off a reply (without its xid): what follows is the procedure's result.
func acceptedReply(reply []byte) (*decoder, error) {
	d := &decoder{b: reply}
	d.uint32() // message type: REPLY
	if d.uint32() != 0 {
		return nil, refusal("the server denied the call (authentication or RPC version)")
	}
	d.uint32()
	d.opaque() // verifier
	if status := d.uint32(); d.err == nil && status != 0 {
		return nil, refusal(fmt.Sprintf("the server did not accept the call (accept_stat %d)", status))
	}
	return d, d.err
}

// refusal is an answer that no repetition will change.
type refusal string

func (r refusal) Error() string { return string(r) }
