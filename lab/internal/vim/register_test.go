package vim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

func (b *bench) register(path, name string) (*types.TaskInfo, error) {
	b.Helper()
	dc, err := b.finder.DefaultDatacenter(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	folders, err := dc.Folders(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	hosts, err := b.finder.HostSystemList(b.ctx, "*")
	if err != nil {
		b.Fatal(err)
	}
	pool, err := hosts[0].ResourcePool(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	task, err := folders.VmFolder.RegisterVM(b.ctx, path, name, false, pool, hosts[0])
	return b.outcome(task, err)
}

func TestRegisterRefuses(t *testing.T) {
	b := start(t, "esx")
	b.make(NewMachine{Name: "taken"})
	junk := filepath.Join(b.lab.config.Directory, "datastores", "datastore1", "junk")
	if err := os.MkdirAll(junk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(junk, "junk.vmx"), []byte("\x7fELF\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, name, fault string }{
		{"[datastore1] none/none.vmx", "n", "NotFound"},
		{"[datastore1] taken/taken.vmx", "other", "AlreadyExists"},
		{"[elsewhere] a/a.vmx", "a", "InvalidDatastore"},
		{"no brackets", "a", "InvalidDatastorePath"},
		{"[datastore1] ../../etc/passwd", "a", "InvalidDatastore"},
		{"[datastore1] junk/junk.vmx", "junk", "GenericVmConfigFault"},
	} {
		_, err := b.register(c.path, c.name)
		b.wants(c.fault, err)
	}
	copyFolder(t, filepath.Join(filepath.Dir(junk), "taken"), filepath.Join(filepath.Dir(junk), "copy"))
	_, err := b.register("[datastore1] copy/taken.vmx", "taken")
	b.wants("DuplicateName", err)
	if info, err := b.register("[datastore1] copy/taken.vmx", "copy"); err != nil || info.Result == nil {
		t.Error(err)
	}
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func TestReconfigureIsWrittenIntoTheFile(t *testing.T) {
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web", Extra: map[string]string{"rundirect.session": "old", "pciPassthru0.present": "TRUE", "vtpm.present": "TRUE"}})
	devices, err := vm.Device(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(devices.SelectByType((*types.VirtualPCIPassthrough)(nil))) != 1 || len(devices.SelectByType((*types.VirtualTPM)(nil))) != 1 {
		t.Error("passthrough and TPM are not shown")
	}
	card := devices.SelectByType((*types.VirtualVmxnet3)(nil))[0].(*types.VirtualVmxnet3)
	card.Connectable.StartConnected = false
	b.done(vm.Reconfigure(b.ctx, types.VirtualMachineConfigSpec{
		Annotation: "two\nlines with \"quotes\"",
		ExtraConfig: []types.BaseOptionValue{
			&types.OptionValue{Key: "rundirect.session", Value: "new"}, &types.OptionValue{Key: "never.was", Value: ""},
		},
		DeviceChange: []types.BaseVirtualDeviceConfigSpec{&types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: card,
		}},
	}))
	data, err := os.ReadFile(filepath.Join(b.lab.config.Directory, "datastores/datastore1/web/web.vmx"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`rundirect.session = "new"`, `annotation = "two|0Alines with |22quotes|22"`, `ethernet0.startConnected = "FALSE"`} {
		if !strings.Contains(string(data), line+"\n") {
			t.Errorf("%s is not in\n%s", line, data)
		}
	}
	p := b.properties(vm)
	if p.Config.Annotation != "two\nlines with \"quotes\"" {
		t.Errorf("annotation %q", p.Config.Annotation)
	}
	for _, o := range p.Config.ExtraConfig {
		if v := o.GetOptionValue(); v.Key == "rundirect.session" && v.Value != "new" || v.Key == "never.was" {
			t.Errorf("extraConfig %s = %v", v.Key, v.Value)
		}
	}
}

func TestMovedOrCopied(t *testing.T) {
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	before := b.properties(vm).Config.Uuid
	folder := filepath.Join(b.lab.config.Directory, "datastores", "datastore1")
	copyFolder(t, filepath.Join(folder, "web"), filepath.Join(folder, "elsewhere"))
	info, err := b.register("[datastore1] elsewhere/web.vmx", "web2")
	if err != nil {
		t.Fatal(err)
	}
	moved := object.NewVirtualMachine(b.client.Client, info.Result.(types.ManagedObjectReference))
	task, err := moved.PowerOn(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	var question *types.VirtualMachineQuestionInfo
	b.eventually("a question", func() bool {
		question = b.properties(moved).Runtime.Question
		return question != nil
	})
	if question.Message[0].Id != "msg.uuid.altered" || len(question.Choice.ChoiceInfo) != 3 {
		t.Errorf("%+v", question)
	}
	_, err = moved.PowerOn(b.ctx)
	b.wants("TaskInProgress", err)
	if err := moved.Answer(b.ctx, question.Id, answerCopied); err != nil {
		t.Fatal(err)
	}
	b.done(task, nil)
	b.wants("ConcurrentAccess", moved.Answer(b.ctx, question.Id, answerCopied))
	if after := b.properties(moved).Config.Uuid; after == before {
		t.Error("a copy kept its UUID")
	}
	b.done(moved.PowerOff(b.ctx))
	b.done(moved.PowerOn(b.ctx)) // asked once, settled for good
	b.done(moved.PowerOff(b.ctx))
}

func TestWhatAHostAloneRefuses(t *testing.T) {
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	_, err := b.outcome(vm.Relocate(b.ctx, types.VirtualMachineRelocateSpec{}, types.VirtualMachineMovePriorityDefaultPriority))
	b.wants("NotSupported", err)
	_, err = b.outcome(vm.PowerOff(b.ctx))
	b.wants("InvalidPowerState", err)
	if err := b.lab.SetMaintenance("", true); err != nil {
		t.Fatal(err)
	}
	_, err = b.outcome(vm.PowerOn(b.ctx))
	b.wants("InvalidState", err)
	if err := b.lab.SetMaintenance("", false); err != nil {
		t.Fatal(err)
	}
	if err := b.lab.SetLicence("free"); err != nil {
		t.Fatal(err)
	}
	_, err = vm.PowerOn(b.ctx)
	b.wants("RestrictedVersion", err)
	b.wants("RestrictedVersion", vm.Unregister(b.ctx))
	b.properties(vm) // reading goes on
}

func TestMishapsOnOrder(t *testing.T) {
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	for _, rule := range []FaultRule{
		{Method: "PowerOnVM_Task", Action: ActionDrop, Times: 1},
		{Method: "PowerOffVM_Task", Action: ActionFailTask, Fault: "InsufficientResourcesFault", Times: 1},
		{Method: "UnregisterVM", Action: ActionFail, Fault: "NoPermission", Times: 1},
	} {
		if _, err := b.lab.AddFault(rule); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.lab.AddFault(FaultRule{Method: "Login", Action: ActionFail, Fault: "NoSuchFault"}); err == nil {
		t.Error("a fault that does not exist was taken")
	}
	if _, err := methods.PowerOnVM_Task(b.ctx, b.client.Client, &types.PowerOnVM_Task{This: vm.Reference()}); err == nil {
		t.Error("the dropped call was answered")
	}
	b.eventually("performed all the same", func() bool { return b.properties(vm).Runtime.PowerState == "poweredOn" })
	_, err := b.outcome(vm.PowerOff(b.ctx))
	b.wants("InsufficientResourcesFault", err)
	b.done(vm.PowerOff(b.ctx))
	b.wants("NoPermission", vm.Unregister(b.ctx))
	if err := vm.Unregister(b.ctx); err != nil {
		t.Error(err)
	}
	var calls []string
	for _, c := range b.lab.Methods(0) {
		if c.This == vm.Reference().String() && c.User == "root" && c.Done {
			calls = append(calls, c.Method+" "+c.Fault)
		}
	}
	want := "PowerOnVM_Task dropped,PowerOffVM_Task ,PowerOffVM_Task ,UnregisterVM NoPermission,UnregisterVM "
	if got := strings.Join(calls, ","); got != want {
		t.Errorf("log: %s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(b.lab.config.Directory, "datastores/datastore1/web/web.vmx*")); len(left) != 1 {
		t.Errorf("after power-off: %v", left)
	}
}

func TestMovedByHand(t *testing.T) {
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	if _, err := b.lab.Move("web", "datastore2"); err != nil {
		t.Fatal(err)
	}
	p := b.properties(vm)
	if p.Config.Files.VmPathName != "[datastore2] web/web.vmx" {
		t.Error(p.Config.Files.VmPathName)
	}
	b.done(vm.PowerOn(b.ctx))
	b.done(vm.PowerOff(b.ctx))
}
