package vim

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const testTimeout = 4 * time.Minute

// guestDisk is the image that lab/build.ts builds. Tests that need no guest's operating system run without it.
func guestDisk(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("RUNDIRECT_LAB_GUEST_DISK"); given != "" {
		return given
	}
	empty := filepath.Join(t.TempDir(), "disk.raw")
	if err := makeSparse(empty, 8<<20); err != nil {
		t.Fatal(err)
	}
	return empty
}

type bench struct {
	*testing.T
	ctx    context.Context
	lab    *Lab
	client *govmomi.Client
	finder *find.Finder
}

func start(t *testing.T, model string) *bench {
	t.Helper()
	directory, err := os.MkdirTemp("", "lab-") // short: a Unix socket's path is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	lab, err := Open(Config{
		Model: model, Directory: directory, Listen: "127.0.0.1:0", User: "root", Password: "secret", Accelerator: "tcg",
		GuestDisk: guestDisk(t), NFSPort: 1, MountPort: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	client, err := govmomi.NewClient(ctx, lab.url("root", "secret"), true)
	if err != nil {
		t.Fatal(err)
	}
	finder := find.NewFinder(client.Client)
	dc, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		t.Fatal(err)
	}
	finder.SetDatacenter(dc)
	return &bench{T: t, ctx: ctx, lab: lab, client: client, finder: finder}
}

func (l *Lab) url(user, password string) *url.URL {
	return &url.URL{Scheme: "https", Host: l.Address().String(), Path: "/sdk", User: url.UserPassword(user, password)}
}

func (b *bench) make(spec NewMachine) *object.VirtualMachine {
	b.Helper()
	view, err := b.lab.Make(spec)
	if err != nil {
		b.Fatal(err)
	}
	return object.NewVirtualMachine(b.client.Client, types.ManagedObjectReference{Type: "VirtualMachine", Value: view.Moref})
}

func (b *bench) done(task *object.Task, err error) *types.TaskInfo {
	b.Helper()
	info, err := b.outcome(task, err)
	if err != nil {
		b.Fatal(err)
	}
	return info
}

func (b *bench) outcome(task *object.Task, err error) (*types.TaskInfo, error) {
	if err != nil {
		return nil, err
	}
	return task.WaitForResult(b.ctx)
}

func (b *bench) properties(vm *object.VirtualMachine) mo.VirtualMachine {
	b.Helper()
	var p mo.VirtualMachine
	if err := vm.Properties(b.ctx, vm.Reference(), nil, &p); err != nil {
		b.Fatal(err)
	}
	return p
}

func faultName(err error) string {
	if err == nil {
		return ""
	}
	if soap.IsSoapFault(err) {
		return strings.TrimPrefix(fmt.Sprintf("%T", soap.ToSoapFault(err).VimFault()), "types.")
	}
	if soap.IsVimFault(err) {
		return strings.TrimPrefix(fmt.Sprintf("%T", soap.ToVimFault(err)), "*types.")
	}
	type withFault interface{ Fault() types.BaseMethodFault }
	if f, ok := err.(withFault); ok {
		return strings.TrimPrefix(fmt.Sprintf("%T", f.Fault()), "*types.")
	}
	return err.Error()
}

func (b *bench) wants(fault string, err error) {
	b.Helper()
	if got := faultName(err); got != fault {
		b.Errorf("got %q (%v), want %s", got, err, fault)
	}
}

func (b *bench) eventually(what string, reached func() bool) {
	b.Helper()
	for !reached() {
		select {
		case <-b.ctx.Done():
			b.Fatalf("never: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestWrongPasswordIsInvalidLogin(t *testing.T) {
	b := start(t, "esx")
	_, err := govmomi.NewClient(b.ctx, b.lab.url("root", "wrong"), true)
	b.wants("InvalidLogin", err)
}

func TestInventory(t *testing.T) {
	for model, kind := range map[string]string{"esx": "HostAgent", "vcenter": "VirtualCenter"} {
		t.Run(model, func(t *testing.T) {
			b := start(t, model)
			if got := b.client.ServiceContent.About.ApiType; got != kind {
				t.Errorf("apiType is %s, want %s", got, kind)
			}
			if vms, _ := b.finder.VirtualMachineList(b.ctx, "*"); len(vms) != 0 {
				t.Errorf("there are machines already: %v", vms)
			}
			for _, name := range ProductionDatastores {
				ds, err := b.finder.Datastore(b.ctx, name)
				if err != nil {
					t.Fatal(err)
				}
				var p mo.Datastore
				if err := ds.Properties(b.ctx, ds.Reference(), []string{"summary", "host"}, &p); err != nil {
					t.Fatal(err)
				}
				if p.Summary.Type != "VMFS" || p.Summary.FreeSpace <= 0 || p.Summary.FreeSpace > p.Summary.Capacity {
					t.Errorf("%s: %+v", name, p.Summary)
				}
			}
			if _, err := b.finder.Network(b.ctx, "VM Network"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGuestKeepsWhatItAcknowledged(t *testing.T) {
	if os.Getenv("RUNDIRECT_LAB_GUEST_DISK") == "" {
		t.Skip("RUNDIRECT_LAB_GUEST_DISK is not set: lab/test.sh builds it and sets it")
	}
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web", Disks: []NewDisk{{SizeMiB: 8}, {SizeMiB: 4, Datastore: "datastore2"}}})
	p := b.properties(vm)
	var disks []string
	for _, d := range object.VirtualDeviceList(p.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil)) {
		disk := d.(*types.VirtualDisk)
		disks = append(disks, fmt.Sprintf("%s %d", disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).FileName, disk.CapacityInKB))
	}
	if got, want := strings.Join(disks, ", "), "[datastore1] web/web.vmdk 40960, [datastore1] web/web_1.vmdk 8192, [datastore2] web/web_2.vmdk 4096"; got != want {
		t.Errorf("disks: %s", got)
	}
	b.done(vm.PowerOn(b.ctx))
	if boots, err := b.lab.WaitReady(b.ctx, "web"); err != nil || boots != 1 {
		t.Fatalf("boots %d, %v", boots, err)
	}
	b.say("web", "PING hello", "PONG hello")
	b.say("web", "WRITE first line", "OK 1")
	if reply, err := b.lab.Command(b.ctx, "web", "DISKS"); strings.TrimSpace(reply) != "DISKS sda:41943040 sdb:8388608 sdc:4194304" {
		t.Errorf("%q, %v", reply, err)
	}
	b.say("web", "DISKWRITE sdc 4096 far away", "OK")
	b.eventually("Tools running", func() bool {
		p := b.properties(vm)
		return p.GuestHeartbeatStatus == "green" && p.Guest.ToolsRunningStatus == "guestToolsRunning"
	})
	b.checkPictures(vm)
	b.done(vm.Suspend(b.ctx))
	if p := b.properties(vm); p.Runtime.PowerState != "suspended" || b.lab.Machines()[0].QEMU != 0 {
		t.Error("the machine is not suspended")
	}
	b.done(vm.PowerOn(b.ctx))
	if boots, err := b.lab.WaitReady(b.ctx, "web"); err != nil || boots != 1 {
		t.Fatalf("after resume: %d, %v", boots, err)
	}
	b.say("web", "READ", "DATA "+base64.StdEncoding.EncodeToString([]byte("first line\n")))
	b.say("web", "BOOTS", "BOOTS 1")
	if err := vm.ShutdownGuest(b.ctx); err != nil {
		t.Fatal(err)
	}
	b.eventually("powered off by itself", func() bool { return b.properties(vm).Runtime.PowerState == "poweredOff" })
	if p := b.properties(vm); p.Guest.ToolsRunningStatus != "guestToolsNotRunning" || p.GuestHeartbeatStatus != "gray" {
		t.Errorf("Tools: %s, %s", p.Guest.ToolsRunningStatus, p.GuestHeartbeatStatus)
	}
	b.done(vm.PowerOn(b.ctx))
	if boots, err := b.lab.WaitReady(b.ctx, "web"); err != nil || boots != 2 {
		t.Fatalf("second boot: %d, %v", boots, err)
	}
	b.say("web", "DISKREAD sdc 4096 8", "DATA "+base64.StdEncoding.EncodeToString([]byte("far away")))
	b.done(vm.PowerOff(b.ctx))
	b.done(vm.Destroy(b.ctx))
	for _, ds := range ProductionDatastores {
		if left, _ := filepath.Glob(filepath.Join(b.lab.config.Directory, "datastores", ds, "*")); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	}
}

func (b *bench) say(vm, command, want string) {
	b.Helper()
	reply, err := b.lab.Command(b.ctx, vm, command)
	if err != nil || reply != want {
		b.Errorf("%s: %q, %v; want %q", command, reply, err, want)
	}
}

// checkPictures takes a screenshot both ways, and sees that neither is shown without a login.
func (b *bench) checkPictures(vm *object.VirtualMachine) {
	b.Helper()
	reply, err := methods.CreateScreenshot_Task(b.ctx, b.client.Client, &types.CreateScreenshot_Task{This: vm.Reference()})
	if err != nil {
		b.Fatal(err)
	}
	info := b.done(object.NewTask(b.client.Client, reply.Returnval), nil)
	if info.Result != "[datastore1] web/web-0.png" {
		b.Errorf("screenshot at %v", info.Result)
	}
	for _, path := range []string{"/screen?id=" + vm.Reference().Value, "/folder/web/web-0.png?dcPath=ha-datacenter&dsName=datastore1"} {
		at := "https://" + b.lab.Address().String() + path
		if code, _ := b.get(at, false); code != http.StatusUnauthorized {
			b.Errorf("%s without a login: %d", path, code)
		}
		if code, body := b.get(at, true); code != http.StatusPartialContent || string(body) != "PNG" {
			b.Errorf("%s: %d %q", path, code, body)
		}
	}
}

func (b *bench) get(at string, login bool) (int, []byte) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.ctx, http.MethodGet, at, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Range", "bytes=1-3")
	client := &http.Client{Transport: b.client.Client.Client.DefaultTransport()}
	if login {
		client.Jar = b.client.Client.Client.Jar
	}
	response, err := client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	return response.StatusCode, body
}
