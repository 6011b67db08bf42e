package nfs3

import (
	"encoding/binary"
	"io"
)

// encoder appends XDR (RFC 4506) to a buffer.
type encoder struct{ b []byte }

func (e *encoder) uint32(v uint32) *encoder {
	e.b = binary.BigEndian.AppendUint32(e.b, v)
	return e
}

func (e *encoder) uint64(v uint64) *encoder {
	e.b = binary.BigEndian.AppendUint64(e.b, v)
	return e
}

func (e *encoder) opaque(v []byte) *encoder {
	e.uint32(uint32(len(v)))
	e.b = append(e.b, v...)
	e.b = append(e.b, padding(len(v))...)
	return e
}

func (e *encoder) string(v string) *encoder { return e.opaque([]byte(v)) }

// optional encodes `union switch (bool)`: the value follows only when it is there.
func (e *encoder) optional(v *uint32) *encoder {
	if v == nil {
		return e.uint32(0)
	}
	return e.uint32(1).uint32(*v)
}

var zeros [3]byte

// padding returns what follows n bytes of opaque data to fill a multiple of four.
func padding(n int) []byte { return zeros[:(4-n%4)%4] }

// decoder takes XDR from a buffer. After the first thing that is missing, err is set and all values are zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.b) {
		d.err = io.ErrUnexpectedEOF
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint32() uint32 {
	if v := d.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if v := d.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// opaque returns variable-length data. It points into the reply.
func (d *decoder) opaque() []byte {
	n := int(d.uint32())
	v := d.take(n)
	d.take(len(padding(n)))
	if d.err != nil {
		return nil
	}
	return v
}

func (d *decoder) string() string { return string(d.opaque()) }
func (d *decoder) bool() bool     { return d.uint32() != 0 }
