package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	monitorTimeout      = 60 * time.Second
	maxMonitorLineBytes = 4 << 20
)

var errMonitorClosed = errors.New("QEMU has ended")

// monitor speaks QMP, QEMU's control protocol: one JSON object per line.
type monitor struct {
	socket  net.Conn
	onEvent func(name string, data json.RawMessage)

	mu      sync.Mutex
	next    int
	pending map[int]chan monitorReply
	closed  bool
}

type monitorReply struct {
	Return json.RawMessage
	Error  *struct{ Class, Desc string }
}

type monitorMessage struct {
	monitorReply
	ID    *int
	Event string
	Data  json.RawMessage
}

func newMonitor(socket net.Conn, onEvent func(string, json.RawMessage)) *monitor {
	m := &monitor{socket: socket, onEvent: onEvent, pending: map[int]chan monitorReply{}}
	go m.read()
	return m
}

func (m *monitor) read() {
	lines := bufio.NewScanner(m.socket)
	lines.Buffer(nil, maxMonitorLineBytes)
	for lines.Scan() {
		var message monitorMessage
		if json.Unmarshal(lines.Bytes(), &message) != nil {
			continue
		}
		if message.Event != "" {
			m.onEvent(message.Event, message.Data)
			continue
		}
		if message.ID == nil {
			continue // the greeting
		}
		m.mu.Lock()
		waiting := m.pending[*message.ID]
		delete(m.pending, *message.ID)
		m.mu.Unlock()
		if waiting != nil {
			waiting <- message.monitorReply
		}
	}
	m.mu.Lock()
	m.closed = true
	for id, waiting := range m.pending {
		close(waiting)
		delete(m.pending, id)
	}
	m.mu.Unlock()
	_ = m.socket.Close()
}

// execute runs one command and decodes what it returns into result, which may be nil.
func (m *monitor) execute(command string, arguments map[string]any, result any) error {
	answer := make(chan monitorReply, 1)
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return errMonitorClosed
	}
	m.next++
	id := m.next
	m.pending[id] = answer
	request := map[string]any{"execute": command, "id": id}
	if arguments != nil {
		request["arguments"] = arguments
	}
	data, err := json.Marshal(request)
	if err == nil {
		_, err = m.socket.Write(append(data, '\n'))
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case reply, open := <-answer:
		if !open {
			return errMonitorClosed
		}
		if reply.Error != nil {
			return fmt.Errorf("QEMU refused %s: %s", command, reply.Error.Desc)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(reply.Return, result)
	case <-time.After(monitorTimeout):
		return fmt.Errorf("QEMU did not answer %s within %v", command, monitorTimeout)
	}
}
