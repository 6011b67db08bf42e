package vim

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// fileManager is FileManager: files and directories of datastores, without regard to what is in them.
type fileManager struct {
	*simulator.FileManager
	lab *Lab
}

func (*fileManager) ofLab() {}

// splitPath takes "[datastore] path" apart.
func splitPath(name string) (datastore, path string, fault types.BaseMethodFault) {
	var p object.DatastorePath
	if !p.FromString(name) || p.Path == "" {
		return "", "", localized(&types.InvalidDatastorePath{DatastorePath: name}, "Invalid datastore path '%s'", name)
	}
	return p.Datastore, strings.TrimSuffix(p.Path, "/"), nil
}

// fileFault says in the API's words what the file system has said.
func fileFault(at place, err error) types.BaseMethodFault {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fileNotFound(at, filepath.Base(at.local))
	case errors.Is(err, os.ErrExist):
		return fileAlreadyExists(at)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return noDiskSpace(at)
	}
	return localized(&types.CannotAccessFile{FileFault: types.FileFault{File: at.dsPath()}}, "Unable to access file %s: %v", at.dsPath(), err)
}

// MakeDirectory makes a directory, and those above it when asked to. FileAlreadyExists, FileNotFound.
func (f *fileManager) MakeDirectory(_ *simulator.Context, c *types.MakeDirectory) soap.HasFault {
	at, fault := f.lab.fileAt(c.Name, c.Datacenter)
	if fault == nil {
		fault = at.refusesDirectory()
	}
	if fault == nil {
		makeDirectory := os.Mkdir
		if c.CreateParentDirectories != nil && *c.CreateParentDirectories {
			makeDirectory = os.MkdirAll
		}
		err := makeDirectory(at.local, 0o755)
		if err == nil {
			return &methods.MakeDirectoryBody{Res: &types.MakeDirectoryResponse{}}
		}
		fault = fileFault(at.place, err)
	}
	return &methods.MakeDirectoryBody{Fault_: simulator.Fault(message(fault), fault)}
}

// DeleteDatastoreFileTask deletes a file, or a directory with all that is in it. FileLocked while a machine that is
// powered on has any of it open.
func (f *fileManager) DeleteDatastoreFileTask(ctx *simulator.Context, c *types.DeleteDatastoreFile_Task) soap.HasFault {
	ref := f.task(ctx, "deleteDatastoreFile", c.Name, c.Datacenter, func(at located) types.BaseMethodFault {
		if _, err := os.Lstat(at.local); err != nil {
			return fileFault(at.place, err)
		}
		if at.isNamespace() {
			return localized(&types.CannotDeleteFile{FileFault: types.FileFault{File: at.dsPath()}},
				"%s is a namespace of a vSAN: DatastoreNamespaceManager deletes it", at.dsPath())
		}
		if f.lab.openBelow(at.place) != unused {
			return fileLocked(at.place)
		}
		if err := os.RemoveAll(at.local); err != nil {
			return fileFault(at.place, err)
		}
		return nil
	})
	return &methods.DeleteDatastoreFile_TaskBody{Res: &types.DeleteDatastoreFile_TaskResponse{Returnval: ref}}
}

// CopyDatastoreFileTask copies one file as it is: a disk's descriptor goes on naming the files that it named.
func (f *fileManager) CopyDatastoreFileTask(ctx *simulator.Context, c *types.CopyDatastoreFile_Task) soap.HasFault {
	ref := f.task(ctx, "copyDatastoreFile", c.SourceName, c.SourceDatacenter, func(from located) types.BaseMethodFault {
		to, fault := f.destination(c.DestinationName, firstRef(c.DestinationDatacenter, c.SourceDatacenter), c.Force)
		if fault != nil {
			return fault
		}
		if f.lab.openBelow(from.place) == written {
			return fileLocked(from.place)
		}
		return copyFile(from.place, to.place)
	})
	return &methods.CopyDatastoreFile_TaskBody{Res: &types.CopyDatastoreFile_TaskResponse{Returnval: ref}}
}

// MoveDatastoreFileTask renames a file or directory, or moves a file to another datastore.
func (f *fileManager) MoveDatastoreFileTask(ctx *simulator.Context, c *types.MoveDatastoreFile_Task) soap.HasFault {
	ref := f.task(ctx, "moveDatastoreFile", c.SourceName, c.SourceDatacenter, func(from located) types.BaseMethodFault {
		to, fault := f.destination(c.DestinationName, firstRef(c.DestinationDatacenter, c.SourceDatacenter), c.Force)
		if fault != nil {
			return fault
		}
		if f.lab.openBelow(from.place) != unused {
			return fileLocked(from.place)
		}
		if from.isNamespace() {
			return localized(&types.NotSupported{}, "%s is a namespace of a vSAN, which is not moved", from.dsPath())
		}
		if from.datastore == to.datastore {
			if err := os.Rename(from.local, to.local); err != nil {
				return fileFault(from.place, err)
			}
			return nil
		}
		if fault := copyFile(from.place, to.place); fault != nil {
			return fault
		}
		if err := os.Remove(from.local); err != nil {
			return fileFault(from.place, err)
		}
		return nil
	})
	return &methods.MoveDatastoreFile_TaskBody{Res: &types.MoveDatastoreFile_TaskResponse{Returnval: ref}}
}

func (f *fileManager) task(ctx *simulator.Context, method, name string, datacenter *types.ManagedObjectReference, body func(located) types.BaseMethodFault) types.ManagedObjectReference {
	return f.lab.task(ctx, f.lab.datacenter(), method, nil, func(*simulator.Context) (types.AnyType, types.BaseMethodFault) {
		at, fault := f.lab.fileAt(name, datacenter)
		if fault != nil {
			return nil, fault
		}
		return nil, body(at)
	})
}

// destination is a place for a file; one that is there is in the way unless force says otherwise.
func (f *fileManager) destination(name string, datacenter *types.ManagedObjectReference, force *bool) (located, types.BaseMethodFault) {
	to, fault := f.lab.fileAt(name, datacenter)
	if fault != nil {
		return to, fault
	}
	if fault := to.refusesFile(); fault != nil {
		return to, fault
	}
	if (force == nil || !*force) && exists(to.local) {
		return to, fileAlreadyExists(to.place)
	}
	if f.lab.openBelow(to.place) != unused {
		return to, fileLocked(to.place)
	}
	return to, nil
}

// copyFile copies through a name of its own, so that a copy that breaks off is not taken for the file.
func copyFile(from, to place) types.BaseMethodFault {
	if info, err := os.Stat(from.local); err != nil {
		return fileFault(from, err)
	} else if !info.Mode().IsRegular() {
		return localized(&types.CannotAccessFile{FileFault: types.FileFault{File: from.dsPath()}}, "%s is not a file", from.dsPath())
	}
	if y, fault := readLayer(from); fault == nil && y.object() != "" && from.datastore != to.datastore {
		return localized(&types.NotSupported{}, "%s names an object of its vSAN: VirtualDiskManager copies it", from.dsPath())
	}
	making := to.local + ".copying"
	err := copySparse(from.local, making)
	if err == nil {
		err = os.Rename(making, to.local)
	}
	if err != nil {
		_ = os.Remove(making)
		return fileFault(to, err)
	}
	return nil
}
