package guest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxSerialLineBytes = 8 << 20
	maxConsoleLines    = 200
	maxLoggedLines     = 200_000
)

// ErrNotReady says that the guest's operating system does not run.
var ErrNotReady = errors.New("the guest is not ready")

// serial is the guest's serial port: commands with one-line answers, and what the guest says by itself. See
// lab/guest/init for the protocol.
type serial struct {
	socket net.Conn

	mu       sync.Mutex
	next     int
	pending  map[int]chan string
	ready    bool
	boots    int
	failed   string // why the operating system gave its boot up
	lastBeat time.Time
	logged   []int
	console  []string
	changed  chan struct{} // closed and replaced whenever something above changes
	closed   bool
}

func newSerial(socket net.Conn) *serial {
	s := &serial{socket: socket, pending: map[int]chan string{}, changed: make(chan struct{})}
	go s.read()
	return s
}

func (s *serial) read() {
	lines := bufio.NewScanner(s.socket)
	lines.Buffer(nil, maxSerialLineBytes)
	for lines.Scan() {
		s.mu.Lock()
		s.take(strings.TrimRight(lines.Text(), "\r"))
		s.notify()
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.closed = true
	s.forget()
	s.notify()
	s.mu.Unlock()
	_ = s.socket.Close()
}

func (s *serial) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// forget drops what was known of an operating system that has ended.
func (s *serial) forget() {
	s.ready = false
	for id, waiting := range s.pending {
		close(waiting)
		delete(s.pending, id)
	}
}

func (s *serial) take(line string) {
	at := strings.IndexByte(line, '@')
	if at < 0 {
		s.console = append(s.console, line)
		if len(s.console) > maxConsoleLines {
			s.console = s.console[1:]
		}
		return
	}
	word, rest, _ := strings.Cut(line[at+1:], " ")
	switch word {
	case "HB":
		s.ready = s.boots > 0 || s.ready
		s.lastBeat = time.Now()
	case "READY":
		s.ready, s.lastBeat = true, time.Now()
		if _, number, found := strings.Cut(rest, "boot="); found {
			digits, _, _ := strings.Cut(number, " ")
			s.boots, _ = strconv.Atoi(digits)
		}
	case "FAILED":
		s.failed = rest
	case "LOG":
		if n, err := strconv.Atoi(rest); err == nil && len(s.logged) < maxLoggedLines {
			s.logged = append(s.logged, n)
		}
	default:
		if id, err := strconv.Atoi(word); err == nil {
			if waiting := s.pending[id]; waiting != nil {
				delete(s.pending, id)
				waiting <- rest
			}
		}
	}
}

// lastWords is what the guest said last that is no answer.
func (s *serial) lastWords() string {
	return strings.Join(s.console[max(0, len(s.console)-5):], " | ")
}

// reset notes that the machine starts over.
func (s *serial) reset() {
	s.mu.Lock()
	s.boots, s.failed = 0, ""
	s.forget()
	s.notify()
	s.mu.Unlock()
}

// resumed notes that the operating system of a machine that was suspended runs again: its next heartbeat tells.
func (s *serial) resumed() {
	s.mu.Lock()
	s.boots = max(1, s.boots)
	s.mu.Unlock()
}

func (s *serial) command(ctx context.Context, text string) (string, error) {
	if strings.ContainsAny(text, "\r\n") {
		return "", fmt.Errorf("a guest's command is one line")
	}
	answer := make(chan string, 1)
	s.mu.Lock()
	if !s.ready {
		s.mu.Unlock()
		return "", ErrNotReady
	}
	s.next++
	id := s.next
	s.pending[id] = answer
	_, err := fmt.Fprintf(s.socket, "%d %s\n", id, text)
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	select {
	case reply, open := <-answer:
		if !open {
			return "", fmt.Errorf("the guest ended before it answered %q", text)
		}
		return reply, nil
	case <-ctx.Done():
		s.mu.Lock()
		delete(s.pending, id)
		silence, console := time.Since(s.lastBeat).Round(time.Second), s.lastWords()
		s.mu.Unlock()
		return "", fmt.Errorf("the guest did not answer %q: %w (last heartbeat %v ago, console: %s)", text, ctx.Err(), silence, console)
	}
}

// waitReady waits until the operating system runs, and tells which boot of its disk this is. ErrNotReady, with the
// reason, if it gives its boot up or the machine ends.
func (s *serial) waitReady(ctx context.Context) (int, error) {
	for {
		s.mu.Lock()
		ready, boots, failed, changed, closed := s.ready, s.boots, s.failed, s.changed, s.closed
		console := s.lastWords()
		s.mu.Unlock()
		if ready {
			return boots, nil
		}
		if failed != "" {
			return 0, fmt.Errorf("%w: its boot failed: %s", ErrNotReady, failed)
		}
		if closed {
			return 0, fmt.Errorf("%w: the machine ended", ErrNotReady)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: %w (console: %s)", ErrNotReady, ctx.Err(), console)
		}
	}
}
