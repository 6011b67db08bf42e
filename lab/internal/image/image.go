// Package image copies and merges disks that no machine runs from, with qemu-img: one process per operation, with its
// progress, a limit of its rate, and an end when it is cancelled.
package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/process"
)

const (
	program = "qemu-img"
	// sparseBytes is the smallest run of zeros that becomes a hole.
	sparseBytes    = "64k"
	maxErrorBytes  = 4 << 10
	maxReportBytes = 64
)

// Tool runs qemu-img.
type Tool struct {
	Children *process.Registry
	// RateBytesPerSecond limits the copying; 0 stands for no limit.
	RateBytesPerSecond int64
}

// Progress is told how much is done, in percent.
type Progress func(percent float64)

// CreateDelta makes a file for the blocks of a delta disk. It names no parent: the descriptors tell the chain.
func (t Tool) CreateDelta(file string, capacityBytes int64) error {
	return t.run(context.Background(), nil, "create", "-q", "-f", "qcow2", file, strconv.FormatInt(capacityBytes, 10))
}

// Flatten copies what a chain reads, base first, into a flat file that is there, as large, and all zeros.
func (t Tool) Flatten(ctx context.Context, chain []guest.Layer, to string, progress Progress) error {
	name, err := guest.ImageName(chain)
	if err != nil {
		return err
	}
	arguments := []string{"convert", "-n", "-p", "-t", "writeback", "-S", sparseBytes, "--target-is-zero", "-O", "raw"}
	return t.run(ctx, progress, append(append(arguments, t.limit()...), name, to)...)
}

// Merge writes the blocks of a chain's last layer into the one below it.
func (t Tool) Merge(ctx context.Context, chain []guest.Layer, progress Progress) error {
	name, err := guest.ImageName(chain)
	if err != nil {
		return err
	}
	arguments := []string{"commit", "-p", "-d", "-t", "writeback"}
	return t.run(ctx, progress, append(append(arguments, t.limit()...), name)...)
}

func (t Tool) limit() []string {
	if t.RateBytesPerSecond == 0 {
		return nil
	}
	return []string{"-r", strconv.FormatInt(t.RateBytesPerSecond, 10)}
}

func (t Tool) run(ctx context.Context, progress Progress, arguments ...string) error {
	command := exec.Command(program, arguments...)
	var said bytes.Buffer
	command.Stderr = &said
	reports, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := t.Children.Start(command, program+" "+arguments[0]); err != nil {
		return fmt.Errorf("qemu-img could not be started (apt-get install -y qemu-utils): %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = command.Process.Kill() })
	follow(reports, progress)
	err = t.Children.Finish(command)
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		text := strings.TrimSpace(said.String())
		return errors.Join(fmt.Errorf("%s %s: %s", program, arguments[0], text[:min(len(text), maxErrorBytes)]), err)
	}
	return nil
}

// follow reads "    (12.34/100%)\r" until the end.
func follow(reports io.Reader, progress Progress) {
	scanner := bufio.NewScanner(reports)
	scanner.Split(reportsOf)
	for scanner.Scan() {
		_, number, found := strings.Cut(scanner.Text(), "(")
		number, _, _ = strings.Cut(number, "/")
		if percent, err := strconv.ParseFloat(number, 64); found && err == nil && progress != nil {
			progress(percent)
		}
	}
	_, _ = io.Copy(io.Discard, reports)
}

func reportsOf(data []byte, atEnd bool) (int, []byte, error) {
	if at := bytes.IndexAny(data, "\r\n"); at >= 0 {
		return at + 1, data[:at], nil
	}
	if (atEnd && len(data) > 0) || len(data) > maxReportBytes {
		return len(data), data, nil
	}
	return 0, nil, nil
}
