package nfs3

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

func TestEncodingIsThatOfRFC4506(t *testing.T) {
	mode := uint32(0o644)
	size := uint64(1) << 40
	got := (&encoder{}).string("abcde").uint64(size).setAttributes(SetAttributes{Mode: &mode, SizeBytes: &size}).b
	want := []byte{
		0, 0, 0, 5, 'a', 'b', 'c', 'd', 'e', 0, 0, 0, // string, padded
		0, 0, 1, 0, 0, 0, 0, 0, // uint64
		0, 0, 0, 1, 0, 0, 1, 0xa4, 0, 0, 0, 0, 0, 0, 0, 0, // mode; no uid, no gid
		0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, // size
		0, 0, 0, 0, 0, 0, 0, 0, // times stay
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// A reply that ends anywhere too early is an error, never a crash and never a value.
func TestTruncatedAttributes(t *testing.T) {
	whole := make([]byte, 84)
	whole[3] = 1
	for n := range whole {
		d := &decoder{b: whole[:n]}
		d.attributes()
		if d.err == nil {
			t.Errorf("%d of %d bytes were enough", n, len(whole))
		}
	}
	d := &decoder{b: whole}
	if a := d.attributes(); d.err != nil || a.Type != Regular {
		t.Errorf("%+v, %v", a, d.err)
	}
}

func TestOversizedLengths(t *testing.T) {
	d := &decoder{b: []byte{0xff, 0xff, 0xff, 0xff, 1}}
	if d.opaque() != nil || d.err == nil {
		t.Error("a length past the reply's end was taken")
	}
	d = &decoder{b: append([]byte{0, 0, 0, 68}, make([]byte, 68)...)}
	if d.handle() != nil || d.err == nil {
		t.Error("a file handle of 68 bytes was taken")
	}
	huge := binary.BigEndian.AppendUint32(nil, maxReplyBytes+1|lastFragment)
	if _, err := readRecord(bytes.NewReader(huge)); err == nil {
		t.Error("a record past the limit was taken")
	}
}

func TestFragmentsAreJoined(t *testing.T) {
	var wire []byte
	wire = append(binary.BigEndian.AppendUint32(wire, 2), 'a', 'b')
	wire = append(binary.BigEndian.AppendUint32(wire, 1|lastFragment), 'c')
	record, err := readRecord(bytes.NewReader(wire))
	if err != nil || string(record) != "abc" {
		t.Errorf("%q, %v", record, err)
	}
}

func TestStatusBecomesErrno(t *testing.T) {
	for status, want := range map[Status]syscall.Errno{
		2: syscall.ENOENT, 13: syscall.EACCES, 17: syscall.EEXIST, 28: syscall.ENOSPC, 66: syscall.ENOTEMPTY,
		70: syscall.ESTALE, 10001: syscall.ESTALE, 10006: syscall.EIO, 4711: syscall.EIO,
	} {
		if got := status.Errno(); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}

// TestHardMount: a server that dies in the middle of a call is called again until it answers; a REMOVE that its first
// life had executed is success.
func TestHardMount(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for life := 0; ; life++ {
			socket, err := listener.Accept()
			if err != nil {
				return
			}
			call, err := readRecord(socket)
			if err == nil && life > 1 {
				const nfs3errNoent = 2
				reply := (&encoder{b: append([]byte(nil), call[:4]...)}).uint32(1).uint32(0).uint32(0).opaque(nil).uint32(0).uint32(nfs3errNoent)
				_, _ = socket.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(reply.b))|lastFragment), reply.b...))
				_, _ = io.Copy(io.Discard, socket)
			}
			_ = socket.Close()
		}
	}()
	c := &Client{address: listener.Addr().String(), connections: make([]slot, 1)}
	answered := make(chan syscall.Errno, 1)
	go func() { answered <- c.Remove(Handle{1}, "gone") }()
	select {
	case errno := <-answered:
		if errno != 0 {
			t.Errorf("REMOVE: %v", errno)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the client gave up, or hangs")
	}
}
