package nfsmount

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"rundirect.dev/lab/internal/nfs3"
	"rundirect.dev/lab/internal/process"
)

const unmountTimeout = 5 * time.Second

// Mount is an export that is mounted at a directory by a process of its own, so that a server that hangs can't hang
// the lab, and the end of that process frees whoever waits in it.
type Mount struct {
	Directory string
	command   *exec.Cmd
	ended     chan struct{}
}

// Start mounts the export and returns once it can be used.
func Start(children *process.Registry, options nfs3.Options, directory string) (*Mount, error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, "mount", "--host", options.Host, "--nfs-port", strconv.Itoa(options.NFSPort),
		"--mount-port", strconv.Itoa(options.MountPort), "--path", options.Path, "--directory", directory)
	command.Stderr = os.Stderr
	reports, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := children.Start(command, "mount "+directory); err != nil {
		return nil, err
	}
	line, readError := bufio.NewReader(reports).ReadBytes('\n')
	m := &Mount{Directory: directory, command: command, ended: make(chan struct{})}
	go func() {
		_ = children.Finish(command)
		close(m.ended)
	}()
	var r Report
	if err := errors.Join(readError, json.Unmarshal(line, &r)); err != nil {
		return nil, fmt.Errorf("the mount process ended without a report: %w", err)
	}
	if !r.Mounted {
		<-m.ended
		_ = os.Remove(directory)
		return nil, errors.New(r.Error)
	}
	return m, nil
}

// PID is the mount's process.
func (m *Mount) PID() int { return m.command.Process.Pid }

// Stop unmounts. A mount that is busy or whose server hangs is detached and its process killed.
func (m *Mount) Stop() {
	_ = m.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-m.ended:
	case <-time.After(unmountTimeout):
		_ = m.command.Process.Kill()
		<-m.ended
	}
	detach(m.Directory)
	_ = os.Remove(m.Directory)
}

// DetachLeftovers unmounts the lab mounts below a directory whose process is gone.
func DetachLeftovers(directory string) error {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.Contains(line, " fuse."+FileSystemName+" ") {
			continue
		}
		if point := unescape(fields[4]); strings.HasPrefix(point, directory+"/") {
			detach(point)
		}
	}
	return nil
}

// unescape undoes the octal escapes of mountinfo.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(path)
}

func detach(point string) {
	if syscall.Unmount(point, syscall.MNT_DETACH) == syscall.EPERM {
		_ = exec.Command("fusermount3", "-u", "-z", point).Run()
	}
}
