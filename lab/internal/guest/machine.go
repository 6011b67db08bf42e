// Package guest runs a virtual machine's processor and devices: one QEMU process per machine that is powered on, its
// control channel (QMP) and its serial port, both over socket pairs, so that nothing has to be found on disk.
package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"rundirect.dev/lab/internal/process"
)

const (
	program        = "qemu-system-x86_64"
	startTimeout   = 30 * time.Second
	killTimeout    = 30 * time.Second
	suspendTimeout = 5 * time.Minute
	haltTimeout    = 10 * time.Second
	pollInterval   = 50 * time.Millisecond
	maxStderrBytes = 8 << 10
	yellowAfter    = 20 * time.Second
	redAfter       = 40 * time.Second
)

// Machine is a running QEMU.
type Machine struct {
	command *exec.Cmd
	monitor *monitor
	serial  *serial
	stderr  *tail
	ended   chan struct{}
	stalled chan string
	// unplugged are devices on their way out.
	unplugged departures
}

// Start starts the machine and returns when its processor runs.
func Start(children *process.Registry, spec Spec) (*Machine, error) {
	arguments, err := spec.arguments()
	if err != nil {
		return nil, err
	}
	serialHere, serialThere, err := socketPair()
	if err != nil {
		return nil, err
	}
	monitorHere, monitorThere, err := socketPair()
	if err != nil {
		_ = serialHere.Close()
		_ = serialThere.Close()
		return nil, err
	}
	m := &Machine{command: exec.Command(program, arguments...), stderr: &tail{}, ended: make(chan struct{}), stalled: make(chan string, 1)}
	m.command.ExtraFiles = []*os.File{serialThere, monitorThere}
	m.command.Stderr = m.stderr
	err = children.Start(m.command, "guest "+spec.Name)
	_ = serialThere.Close()
	_ = monitorThere.Close()
	if err != nil {
		_ = serialHere.Close()
		_ = monitorHere.Close()
		return nil, fmt.Errorf("QEMU could not be started (apt-get install -y qemu-system-x86): %w", err)
	}
	m.serial = newSerial(serialHere)
	m.monitor = newMonitor(monitorHere, m.event)
	go func() {
		_ = children.Finish(m.command)
		close(m.ended)
	}()
	if err := m.begin(spec); err != nil {
		m.Kill()
		return nil, fmt.Errorf("%w%s", err, m.stderr.said())
	}
	return m, nil
}

func (m *Machine) begin(spec Spec) error {
	if err := m.monitor.execute("qmp_capabilities", nil, nil); err != nil {
		return err
	}
	for _, nic := range spec.NICs {
		if !nic.Connected {
			if err := m.SetLink(nic.ID, false); err != nil {
				return err
			}
		}
	}
	if spec.StateFile == "" {
		return nil
	}
	m.serial.resumed()
	if err := m.waitStatus(startTimeout, func(status string) bool { return status != "inmigrate" }); err != nil {
		return err
	}
	return m.monitor.execute("cont", nil, nil)
}

func (m *Machine) waitStatus(timeout time.Duration, reached func(string) bool) error {
	deadline := time.Now().Add(timeout)
	for {
		var status struct{ Status string }
		if err := m.monitor.execute("query-status", nil, &status); err != nil {
			return err
		}
		if reached(status.Status) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("QEMU stayed in state %s for %v", status.Status, timeout)
		}
		time.Sleep(pollInterval)
	}
}

func (m *Machine) event(name string, data json.RawMessage) {
	var about struct {
		Node    string `json:"node-name"`
		Action  string
		NoSpace bool
	}
	_ = json.Unmarshal(data, &about)
	switch {
	case name == "RESET":
		m.serial.reset()
	case name == "BLOCK_IO_ERROR" && about.Action == "stop" && about.NoSpace:
		m.stall(about.Node)
	case name == "DEVICE_DELETED":
		m.deviceGone(data)
	case name == "BLOCK_WRITE_THRESHOLD":
		go m.stopAndStall(about.Node) // not here: this is who reads QEMU's answers
	}
}

// stall tells once that the machine stands still: further requests of the same moment add nothing.
func (m *Machine) stall(node string) {
	select {
	case m.stalled <- node:
	default:
	}
}

func (m *Machine) stopAndStall(node string) {
	if m.monitor.execute("stop", nil, nil) == nil {
		m.stall(node)
	}
}

// Stalled tells the node of a disk that has no space for a write. The machine stands still until Continue, which
// tries that write again.
func (m *Machine) Stalled() <-chan string { return m.stalled }

// Continue lets a machine that stands still go on.
func (m *Machine) Continue() error { return m.monitor.execute("cont", nil, nil) }

// StallAtNextWrite lets the machine stand still once its guest writes to a disk: what it has written till then is kept.
func (m *Machine) StallAtNextWrite(node string) error {
	return m.monitor.execute("block-set-write-threshold", map[string]any{"node-name": node, "write-threshold": 1}, nil)
}

// Ended is closed when the machine is off, by whatever means.
func (m *Machine) Ended() <-chan struct{} { return m.ended }

// PID is QEMU's.
func (m *Machine) PID() int { return m.command.Process.Pid }

// Kill pulls the plug. It returns false if QEMU is still there after a while: it hangs in a read or write of a
// datastore that does not answer, and ends when that answers or is unmounted.
func (m *Machine) Kill() bool {
	_ = m.command.Process.Kill()
	select {
	case <-m.ended:
		return true
	case <-time.After(killTimeout):
		return false
	}
}

// Signal kills QEMU and does not wait.
func (m *Machine) Signal() error { return m.command.Process.Kill() }

// Halt asks the guest's operating system to shut down.
func (m *Machine) Halt() {
	ctx, cancel := context.WithTimeout(context.Background(), haltTimeout)
	defer cancel()
	_, _ = m.serial.command(ctx, "HALT")
}

// Reset presses the reset button.
func (m *Machine) Reset() error {
	m.serial.reset()
	return m.monitor.execute("system_reset", nil, nil)
}

// SetLink plugs a network card in or out.
func (m *Machine) SetLink(nic string, up bool) error {
	return m.monitor.execute("set_link", map[string]any{"name": nic, "up": up}, nil)
}

// Screendump writes what the screen shows as a PNG.
func (m *Machine) Screendump(file string) error {
	return m.monitor.execute("screendump", map[string]any{"filename": file, "format": "png"}, nil)
}

// Suspend writes the machine's memory and devices to a file and ends it. On failure the machine runs on.
func (m *Machine) Suspend(file string) error {
	if err := m.monitor.execute("stop", nil, nil); err != nil {
		return err
	}
	err := m.writeState(file)
	if err != nil {
		_ = m.monitor.execute("cont", nil, nil)
		_ = os.Remove(file)
		return err
	}
	_ = m.monitor.execute("quit", nil, nil)
	if !m.Kill() {
		return fmt.Errorf("the state is written, but QEMU does not end")
	}
	return nil
}

func (m *Machine) writeState(file string) error {
	// Without a bandwidth limit: the machine stands still meanwhile.
	if err := m.monitor.execute("migrate-set-parameters", map[string]any{"max-bandwidth": int64(1) << 40}, nil); err != nil {
		return err
	}
	uri := "exec:dd bs=1M conv=fsync status=none of=" + shellQuoted(file)
	if err := m.monitor.execute("migrate", map[string]any{"uri": uri}, nil); err != nil {
		return err
	}
	deadline := time.Now().Add(suspendTimeout)
	for {
		var progress struct {
			Status    string
			ErrorDesc string `json:"error-desc"`
		}
		if err := m.monitor.execute("query-migrate", nil, &progress); err != nil {
			return err
		}
		switch progress.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("the machine's state could not be written to %s: %s", file, progress.ErrorDesc)
		}
		if time.Now().After(deadline) {
			_ = m.monitor.execute("migrate_cancel", nil, nil)
			return fmt.Errorf("the machine's state was not written to %s within %v", file, suspendTimeout)
		}
		time.Sleep(pollInterval)
	}
}

// Command sends a command to the guest's operating system and returns its one-line answer.
func (m *Machine) Command(ctx context.Context, text string) (string, error) {
	return m.serial.command(ctx, text)
}

// WaitReady waits until the guest's operating system runs and returns the number of times it was booted.
func (m *Machine) WaitReady(ctx context.Context) (int, error) { return m.serial.waitReady(ctx) }

// Health is what VMware Tools would tell of the guest.
type Health string

// The states of a heartbeat.
const (
	Gray   Health = "gray"
	Green  Health = "green"
	Yellow Health = "yellow"
	Red    Health = "red"
)

// Health judges by the last heartbeat.
func (m *Machine) Health() Health {
	m.serial.mu.Lock()
	defer m.serial.mu.Unlock()
	silence := time.Since(m.serial.lastBeat)
	switch {
	case !m.serial.ready:
		return Gray
	case silence > redAfter:
		return Red
	case silence > yellowAfter:
		return Yellow
	}
	return Green
}

// Changed is closed at the next sign of life.
func (m *Machine) Changed() <-chan struct{} {
	m.serial.mu.Lock()
	defer m.serial.mu.Unlock()
	return m.serial.changed
}

// Logged returns the numbers of the lines that the guest has said to be on its disk.
func (m *Machine) Logged() []int {
	m.serial.mu.Lock()
	defer m.serial.mu.Unlock()
	return append([]int(nil), m.serial.logged...)
}

func socketPair() (here net.Conn, there *os.File, err error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	mine := os.NewFile(uintptr(pair[0]), "here")
	defer mine.Close()
	there = os.NewFile(uintptr(pair[1]), "there")
	here, err = net.FileConn(mine)
	if err != nil {
		_ = there.Close()
	}
	return here, there, err
}

// tail keeps the end of what QEMU says on standard error.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(p)
	if extra := t.text.Len() - maxStderrBytes; extra > 0 {
		t.text.Next(extra)
	}
	return len(p), nil
}

func (t *tail) said() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(t.text.String()); text != "" {
		return ": " + text
	}
	return ""
}
