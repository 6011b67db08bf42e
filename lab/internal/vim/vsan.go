package vim

import (
	"errors"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// A vSAN datastore holds objects. Its top-level directories are objects themselves, namespaces: they are made and
// deleted by DatastoreNamespaceManager alone, are called by a UUID, and known by the name they were given. In them lie
// small files; the bytes of a disk are an object of their own, which its descriptor names as vsan://UUID.
//
//	datastores/NAME/UUID/      a namespace
//	objects/NAME/UUID          the bytes of a disk or delta, in no directory of the datastore
//	namespaces/NAME/NAME-IT-WAS-GIVEN -> the namespace; where that is gone, nothing

func isVSAN(datastore string) bool { return slices.Contains(VSANDatastores, datastore) }

func (l *Lab) objectsOf(datastore string) string {
	return filepath.Join(l.config.Directory, "objects", datastore)
}

func (l *Lab) addVSAN(name string) error {
	for _, kind := range []string{"objects", "namespaces"} {
		if err := os.MkdirAll(filepath.Join(l.config.Directory, kind, name), 0o755); err != nil {
			return err
		}
	}
	return l.addProductionDatastore(name, func(ds *simulator.Datastore, info types.DatastoreInfo) {
		ds.Summary.Type = string(types.HostFileSystemVolumeFileSystemTypeVsan)
		// VsanDatastoreInfo came with 7.0.1, after the version that the lab speaks; clients that know that refuse it.
		ds.Info = &info
		ds.Capability.TopLevelDirectoryCreateSupported = types.NewBool(false)
		ds.Capability.PerFileThinProvisioningSupported = true
	})
}

// newObject is the UUID of an object, a namespace among them.
func newObject() string { return locationUUID("vsan object", randomHex(16)) }

// volumeOf is a vSAN datastore's directory in /vmfs/volumes.
func volumeOf(datastore string) string {
	digits := strings.ReplaceAll(locationUUID("vsan", datastore), "-", "")
	return "vsan:" + digits[:16] + "-" + digits[16:]
}

// datastoreByVolume finds a datastore by its name or, a vSAN, by its directory in /vmfs/volumes.
func (l *Lab) datastoreByVolume(name string) *simulator.Datastore {
	for _, vsan := range VSANDatastores {
		if name == volumeOf(vsan) {
			name = vsan
		}
	}
	return l.datastoreByName(name)
}

// canonical is a path that begins with a namespace's UUID, where a namespace of the name that it begins with is there.
func (l *Lab) canonical(datastore, inside string) string {
	name, rest, _ := strings.Cut(inside, "/")
	to, err := os.Readlink(l.nameOf(datastore, name))
	if err != nil || !exists(to) {
		return inside
	}
	return path.Join(filepath.Base(to), rest)
}

// nameOf is the link that keeps a namespace's name.
func (l *Lab) nameOf(datastore, name string) string {
	return filepath.Join(l.config.Directory, "namespaces", datastore, name)
}

// inNewNamespace is the place in a namespace that is yet to be made; on other datastores it is the place itself.
func (p place) inNewNamespace() place {
	if p.objects == "" {
		return p
	}
	name, rest, _ := strings.Cut(p.path, "/")
	root := strings.TrimSuffix(p.local, p.path)
	p.namespace, p.path = name, path.Join(newObject(), rest)
	p.local = filepath.Join(root, p.path)
	return p
}

// nameNamespace keeps the name of a namespace that was made.
func (p place) nameNamespace() error {
	if p.namespace == "" {
		return nil
	}
	id, _, _ := strings.Cut(p.path, "/")
	root := strings.TrimSuffix(p.local, p.path)
	link := filepath.Join(filepath.Dir(filepath.Dir(p.objects)), "namespaces", p.datastore.Name, p.namespace)
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(filepath.Join(root, id), link)
}

// isNamespace tells a vSAN's top-level directory.
func (p place) isNamespace() bool { return p.objects != "" && !strings.Contains(p.path, "/") }

// refusesDirectory: a vSAN has no plain top-level directories, and makes none on the way to another.
func (p place) refusesDirectory() types.BaseMethodFault {
	name, _, _ := strings.Cut(p.path, "/")
	if p.objects == "" || exists(filepath.Join(strings.TrimSuffix(p.local, p.path), name)) {
		return nil
	}
	return localized(&types.CannotCreateFile{FileFault: types.FileFault{File: p.dsPath()}},
		"Cannot complete file creation operation: %s would be a top-level directory of a vSAN, which DatastoreNamespaceManager makes", name)
}

// dataSuffixes are those of files that hold a disk's bytes: on a vSAN these are objects.
var dataSuffixes = []string{flatSuffix, "-delta.vmdk", "-sesparse.vmdk"}

// refusesFile: a vSAN has no files at its top, and no files that hold a disk's bytes.
func (p place) refusesFile() types.BaseMethodFault {
	isData := slices.ContainsFunc(dataSuffixes, func(suffix string) bool { return strings.HasSuffix(p.path, suffix) })
	if p.objects == "" || !(p.isNamespace() || isData) {
		return nil
	}
	return localized(&types.CannotCreateFile{FileFault: types.FileFault{File: p.dsPath()}},
		"Cannot complete file creation operation: a vSAN keeps small files in namespaces, and %s is none", p.dsPath())
}

// namespaceManager is DatastoreNamespaceManager: the top-level directories of vSAN datastores.
type namespaceManager struct {
	*simulator.DatastoreNamespaceManager
	lab *Lab
}

func (*namespaceManager) ofLab() {}

// CreateDirectory makes a namespace and returns the path that it has for good: /vmfs/volumes/vsan:…/UUID.
// CannotCreateFile on a datastore that is no vSAN, FileAlreadyExists, InvalidDatastorePath.
func (n *namespaceManager) CreateDirectory(_ *simulator.Context, c *types.CreateDirectory) soap.HasFault {
	made, fault := n.lab.makeNamespace(c.Datastore, c.DisplayName)
	if fault != nil {
		return &methods.CreateDirectoryBody{Fault_: simulator.Fault(message(fault), fault)}
	}
	return &methods.CreateDirectoryBody{Res: &types.CreateDirectoryResponse{Returnval: made}}
}

func (l *Lab) makeNamespace(ref types.ManagedObjectReference, name string) (string, types.BaseMethodFault) {
	ds, ok := l.registry.Get(ref).(*simulator.Datastore)
	if !ok {
		return "", localized(&types.ManagedObjectNotFound{Obj: ref}, "There is no datastore %s", ref.Value)
	}
	if !isVSAN(ds.Name) {
		return "", localized(&types.CannotCreateFile{FileFault: types.FileFault{File: name}}, "%s has plain top-level directories", ds.Name)
	}
	if name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return "", localized(&types.InvalidDatastorePath{DatastorePath: name}, "%q is no name of a directory", name)
	}
	at, _ := l.locate(l.firstHost().Self, ds.Name, name)
	if exists(at.local) {
		return "", fileAlreadyExists(at)
	}
	at = at.inNewNamespace()
	if err := errors.Join(os.Mkdir(at.local, 0o755), at.nameNamespace()); err != nil {
		return "", fileFault(at, err)
	}
	return "/vmfs/volumes/" + volumeOf(ds.Name) + "/" + at.path, nil
}

// namespaceAt finds what a stable path, or a datastore's URL with a name or UUID, stands for.
func (l *Lab) namespaceAt(url string) (place, types.BaseMethodFault) {
	url = strings.TrimPrefix(url, "ds://")
	for _, name := range VSANDatastores {
		for _, root := range []string{"/vmfs/volumes/" + volumeOf(name), l.production(name)} {
			if inside, found := strings.CutPrefix(path.Clean(url), root+"/"); found {
				if at, found := l.locate(l.firstHost().Self, name, inside); found {
					return at, nil
				}
			}
		}
	}
	return place{}, localized(&types.InvalidDatastorePath{DatastorePath: url}, "%s is not in a namespace of a vSAN", url)
}

// DeleteDirectory deletes a namespace that is empty. FileNotFound, DirectoryNotEmpty, InvalidDatastorePath.
func (n *namespaceManager) DeleteDirectory(_ *simulator.Context, c *types.DeleteDirectory) soap.HasFault {
	at, fault := n.lab.namespaceAt(c.DatastorePath)
	if fault == nil {
		fault = deleteNamespace(at)
	}
	if fault != nil {
		return &methods.DeleteDirectoryBody{Fault_: simulator.Fault(message(fault), fault)}
	}
	return &methods.DeleteDirectoryBody{Res: &types.DeleteDirectoryResponse{}}
}

func deleteNamespace(at place) types.BaseMethodFault {
	entries, err := os.ReadDir(at.local)
	if err == nil && len(entries) > 0 {
		return localized(&types.DirectoryNotEmpty{FileFault: types.FileFault{File: at.dsPath()}}, "%s is not empty", at.dsPath())
	}
	if err == nil {
		err = os.Remove(at.local)
	}
	if err != nil {
		return fileFault(at, err)
	}
	return nil
}

// ConvertNamespacePathToUuidPath tells the UUID of a namespace that is known by name. FileNotFound.
func (n *namespaceManager) ConvertNamespacePathToUuidPath(_ *simulator.Context, c *types.ConvertNamespacePathToUuidPath) soap.HasFault {
	at, fault := n.lab.namespaceAt(c.NamespaceUrl)
	if fault == nil && !exists(at.local) {
		fault = fileNotFound(at, filepath.Base(at.local))
	}
	if fault != nil {
		return &methods.ConvertNamespacePathToUuidPathBody{Fault_: simulator.Fault(message(fault), fault)}
	}
	return &methods.ConvertNamespacePathToUuidPathBody{Res: &types.ConvertNamespacePathToUuidPathResponse{
		Returnval: "ds:///vmfs/volumes/" + volumeOf(at.datastore.Name) + "/" + at.path,
	}}
}

// datastoreBrowser finds namespaces by their names.
type datastoreBrowser struct {
	*simulator.HostDatastoreBrowser
	lab *Lab
}

func (*datastoreBrowser) ofLab() {}

func (b *datastoreBrowser) canonical(name string) string {
	var p object.DatastorePath
	if !p.FromString(name) || !isVSAN(p.Datastore) {
		return name
	}
	p.Path = b.lab.canonical(p.Datastore, p.Path)
	return p.String()
}

// SearchDatastoreTask lists one directory.
func (b *datastoreBrowser) SearchDatastoreTask(ctx *simulator.Context, c *types.SearchDatastore_Task) soap.HasFault {
	c.DatastorePath = b.canonical(c.DatastorePath)
	return b.HostDatastoreBrowser.SearchDatastoreTask(ctx, c)
}

// SearchDatastoreSubFoldersTask lists a directory and those below it.
func (b *datastoreBrowser) SearchDatastoreSubFoldersTask(ctx *simulator.Context, c *types.SearchDatastoreSubFolders_Task) soap.HasFault {
	c.DatastorePath = b.canonical(c.DatastorePath)
	return b.HostDatastoreBrowser.SearchDatastoreSubFoldersTask(ctx, c)
}

// folderOfVSAN stands before /folder: on a vSAN a file is written into a namespace that is there, and is small.
func (l *Lab) folderOfVSAN(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside := strings.TrimPrefix(r.URL.Path, "/folder/")
		datastore := r.URL.Query().Get("dsName")
		at, found := l.locate(l.firstHost().Self, datastore, inside)
		if !isVSAN(datastore) || !found {
			next.ServeHTTP(w, r)
			return
		}
		if writes := r.Method == http.MethodPut || r.Method == http.MethodPost; writes {
			if fault := at.refusesFile(); fault != nil {
				http.Error(w, message(fault), http.StatusForbidden)
				return
			}
			if !exists(filepath.Dir(at.local)) {
				http.Error(w, "there is no such directory", http.StatusNotFound)
				return
			}
		}
		r.URL.Path = "/folder/" + at.path
		next.ServeHTTP(w, r)
	})
}
