package guest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	jobInterval   = 100 * time.Millisecond
	pivotInterval = 5 * time.Millisecond
)

// Progress is told how many bytes of a job are done.
type Progress func(done, total int64)

// Overlay is a new layer, with nothing in it yet, that is to stand on the node that a disk writes to.
type Overlay struct {
	Layer Layer
	Over  string
}

// Snapshot lets the running machine write to new layers from one moment on, the same for all its disks.
func (m *Machine) Snapshot(overlays []Overlay) error {
	var actions []map[string]any
	for i, o := range overlays {
		if err := m.monitor.execute("blockdev-add", o.Layer.options(nil), nil); err != nil {
			m.closeOverlays(overlays[:i])
			return err
		}
		actions = append(actions, map[string]any{
			"type": "blockdev-snapshot", "data": map[string]any{"node": o.Over, "overlay": o.Layer.Node},
		})
	}
	if err := m.monitor.execute("transaction", map[string]any{"actions": actions}, nil); err != nil {
		m.closeOverlays(overlays)
		return err
	}
	return nil
}

func (m *Machine) closeOverlays(overlays []Overlay) {
	for _, o := range overlays {
		_ = m.CloseLayer(o.Layer.Node)
	}
}

// CloseLayer lets go of a file that no disk uses any more.
func (m *Machine) CloseLayer(node string) error {
	return m.monitor.execute("blockdev-del", map[string]any{"node-name": node}, nil)
}

// Commit writes the layers above Base, up to and including From, into Base while the machine runs. Top is the node
// that the disk writes to; when From is Top, the disk writes to Base afterwards.
type Commit struct {
	Top, From, Base    string
	RateBytesPerSecond int64
}

// Commit performs a merge. The layers that were merged stay open: CloseLayer them, the upper first.
func (m *Machine) Commit(c Commit, progress Progress) error {
	job := "commit-" + c.Base
	arguments := map[string]any{
		"job-id": job, "device": c.Top, "base-node": c.Base, "auto-dismiss": false, "speed": c.RateBytesPerSecond,
	}
	if c.From != c.Top {
		arguments["top-node"] = c.From
		arguments["backing-file"] = ""
	}
	if err := m.monitor.execute("block-commit", arguments, nil); err != nil {
		return err
	}
	if c.From != c.Top {
		return m.finish(job, progress, jobInterval)
	}
	if err := m.follow(context.Background(), job, "ready", progress, jobInterval); err != nil {
		return errors.Join(err, m.dismiss(job))
	}
	_, err := m.Pivot(job)
	return err
}

// Mirror copies what a disk reads into a new flat file, and every write from then on into both.
type Mirror struct {
	Job, From          string
	To                 Layer
	RateBytesPerSecond int64
}

// StartMirror starts copying. Follow it with AwaitMirror, end it with Pivot or CancelMirror.
func (m *Machine) StartMirror(r Mirror) error {
	target := r.To.options(nil)
	target["detect-zeroes"] = "unmap" // so that the copy is as thin as it can be
	if err := m.monitor.execute("blockdev-add", target, nil); err != nil {
		return err
	}
	err := m.monitor.execute("blockdev-mirror", map[string]any{
		"job-id": r.Job, "device": r.From, "target": r.To.Node, "sync": "full", "copy-mode": "write-blocking",
		"auto-dismiss": false, "speed": r.RateBytesPerSecond,
	}, nil)
	if err != nil {
		return errors.Join(err, m.CloseLayer(r.To.Node))
	}
	return nil
}

// AwaitMirror returns once both sides are the same and are kept so.
func (m *Machine) AwaitMirror(ctx context.Context, job string, progress Progress) error {
	return m.follow(ctx, job, "ready", progress, jobInterval)
}

// Pivot lets disks go over to the other sides of jobs that are ready, in order, and returns how many did.
func (m *Machine) Pivot(jobs ...string) (done int, err error) {
	err = m.stunned(func() (failed error) {
		done, failed = m.pivotAll(jobs)
		return failed
	})
	return done, err
}

// stunned does something while the guest stands still, for the few milliseconds that it takes, as a host stuns it: QEMU
// 7.2 fails an assertion when a guest's write is under way as a mirror ends.
func (m *Machine) stunned(act func() error) error {
	var status struct{ Running bool }
	if err := m.monitor.execute("query-status", nil, &status); err != nil {
		return err
	}
	if !status.Running {
		return act()
	}
	if err := m.monitor.execute("stop", nil, nil); err != nil {
		return err
	}
	return errors.Join(act(), m.monitor.execute("cont", nil, nil))
}

func (m *Machine) pivotAll(jobs []string) (int, error) {
	for done, job := range jobs {
		err := m.monitor.execute("job-complete", map[string]any{"id": job}, nil)
		if err == nil {
			err = m.finish(job, nil, pivotInterval)
		}
		if err != nil {
			return done, err
		}
	}
	return len(jobs), nil
}

// CancelMirror ends a mirror; the disk goes on as before and the target is let go.
func (m *Machine) CancelMirror(job, targetNode string) error {
	err := m.stunned(func() error {
		cancelled := m.monitor.execute("job-cancel", map[string]any{"id": job}, nil)
		return errors.Join(cancelled, m.follow(context.Background(), job, "concluded", nil, pivotInterval))
	})
	return errors.Join(err, m.dismiss(job), m.CloseLayer(targetNode))
}

// finish waits for a job's end and forgets it.
func (m *Machine) finish(job string, progress Progress, every time.Duration) error {
	err := m.follow(context.Background(), job, "concluded", progress, every)
	return errors.Join(err, m.dismiss(job))
}

func (m *Machine) dismiss(job string) error {
	return m.monitor.execute("job-dismiss", map[string]any{"id": job}, nil)
}

type jobInfo struct {
	ID, Status, Error string
	Current           int64 `json:"current-progress"`
	Total             int64 `json:"total-progress"`
}

// follow waits until a job has reached a status. A job that has ended earlier is an error.
func (m *Machine) follow(ctx context.Context, job, status string, progress Progress, every time.Duration) error {
	for {
		info, err := m.job(job)
		if errors.Is(err, errMonitorClosed) {
			<-m.ended
			return fmt.Errorf("%w%s", err, m.stderr.said())
		}
		if err != nil {
			return err
		}
		if progress != nil {
			progress(info.Current, info.Total)
		}
		switch {
		case info.Error != "":
			return fmt.Errorf("QEMU's %s failed: %s", job, info.Error)
		case info.Status == status:
			return nil
		case info.Status == "concluded":
			return fmt.Errorf("QEMU's %s ended before it was %s", job, status)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.ended:
			return fmt.Errorf("%w%s", errMonitorClosed, m.stderr.said())
		case <-time.After(every):
		}
	}
}

func (m *Machine) job(id string) (jobInfo, error) {
	var jobs []jobInfo
	if err := m.monitor.execute("query-jobs", nil, &jobs); err != nil {
		return jobInfo{}, err
	}
	for _, j := range jobs {
		if j.ID == id {
			return j, nil
		}
	}
	return jobInfo{}, fmt.Errorf("QEMU knows no job %s", id)
}
