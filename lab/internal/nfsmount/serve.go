package nfsmount

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rundirect.dev/lab/internal/nfs3"
)

// FileSystemName is what /proc/self/mountinfo shows as type, after "fuse.".
const FileSystemName = "rundirect-lab"

const (
	maxBackground   = 64
	connections     = 4
	unmountAttempts = 20
	unmountDelay    = 100 * time.Millisecond
)

// Report is the one line of JSON that a mount process writes when it has mounted, or could not.
type Report struct {
	Mounted bool   `json:"mounted"`
	Error   string `json:"error,omitempty"`
}

// Serve mounts the export at a directory, reports it, and serves until it is told to end (SIGTERM, SIGINT) or
// somebody else unmounts.
func Serve(options nfs3.Options, directory string, reports io.Writer) error {
	options.Connections = connections
	client, err := nfs3.Mount(options)
	if err != nil {
		return report(reports, err)
	}
	var none time.Duration
	server, err := fs.Mount(directory, &node{client: client, handle: client.Root}, &fs.Options{
		AttrTimeout: &none, EntryTimeout: &none, NegativeTimeout: &none,
		MountOptions: fuse.MountOptions{
			FsName: fmt.Sprintf("%s:%s", options.Host, options.Path), Name: FileSystemName,
			MaxWrite: 1 << 20, MaxBackground: maxBackground, DirectMount: true,
		},
	})
	if err != nil {
		return report(reports, fmt.Errorf("FUSE at %s: %w (is fuse3 installed and /dev/fuse usable?)", directory, err))
	}
	if err := report(reports, nil); err != nil {
		return err
	}
	go unmountWhenTold(server)
	server.Wait()
	return nil
}

func report(to io.Writer, failure error) error {
	r := Report{Mounted: failure == nil}
	if failure != nil {
		r.Error = failure.Error()
	}
	if err := json.NewEncoder(to).Encode(r); err != nil {
		return err
	}
	return failure
}

func unmountWhenTold(server *fuse.Server) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	<-told
	for range unmountAttempts {
		if server.Unmount() == nil {
			return
		}
		time.Sleep(unmountDelay)
	}
	os.Exit(1) // busy: the parent detaches the mount point; ending the process ends every call that hangs in it
}
