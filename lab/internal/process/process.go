// Package process starts the lab's child processes (QEMU, NFS mounts) so that none is ever left over: each dies with
// the lab (PR_SET_PDEATHSIG), and each is recorded, so that the next lab in the same folder can end what an
// unclean death left. A recorded process is only touched while its start time shows that it is still the same one.
package process

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Registry records the children of one lab in a directory, one file each.
type Registry struct {
	directory string
	starts    chan start
}

type start struct {
	command *exec.Cmd
	result  chan error
}

type record struct {
	PID       int    `json:"pid"`
	StartTime string `json:"startTime"`
	What      string `json:"what"`
}

// NewRegistry ends what an earlier lab left over in the directory and starts afresh.
func NewRegistry(directory string) (*Registry, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	r := &Registry{directory: directory, starts: make(chan start)}
	if err := r.endLeftovers(); err != nil {
		return nil, err
	}
	go r.starter()
	return r, nil
}

// starter keeps one operating-system thread for ever: PR_SET_PDEATHSIG fires when the thread that forked ends.
func (r *Registry) starter() {
	runtime.LockOSThread()
	for s := range r.starts {
		s.result <- s.command.Start()
	}
}

// Start starts a child and records it. The caller must Wait for it through Finish.
func (r *Registry) Start(command *exec.Cmd, what string) error {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	s := start{command: command, result: make(chan error, 1)}
	r.starts <- s
	if err := <-s.result; err != nil {
		return err
	}
	pid := command.Process.Pid
	data, err := json.Marshal(record{PID: pid, StartTime: startTime(pid), What: what})
	if err == nil {
		err = os.WriteFile(r.file(pid), data, 0o600)
	}
	if err != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
		return fmt.Errorf("recording process %d (%s): %w", pid, what, err)
	}
	return nil
}

// Finish waits for a child and forgets it.
func (r *Registry) Finish(command *exec.Cmd) error {
	err := command.Wait()
	_ = os.Remove(r.file(command.Process.Pid))
	return err
}

func (r *Registry) file(pid int) string { return filepath.Join(r.directory, strconv.Itoa(pid)+".json") }

func (r *Registry) endLeftovers() error {
	files, err := filepath.Glob(filepath.Join(r.directory, "*.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var left record
		if json.Unmarshal(data, &left) == nil && left.StartTime != "" && startTime(left.PID) == left.StartTime {
			_ = syscall.Kill(left.PID, syscall.SIGKILL)
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// startTime is field 22 of /proc/PID/stat: with the pid it names one process of this boot.
func startTime(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	const fieldsAfterName = 22 - 3
	fields := strings.Fields(string(data)[strings.LastIndexByte(string(data), ')')+1:])
	if len(fields) <= fieldsAfterName {
		return ""
	}
	return fields[fieldsAfterName]
}
