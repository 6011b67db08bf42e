package vim

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"rundirect.dev/lab/internal/vmx"
)

// The choices of msg.uuid.altered, as ESXi numbers them.
const (
	answerCancel = "0"
	answerMoved  = "1"
	answerCopied = "2"
)

// reread reads the .vmx again, as a host does at every power-on, and settles whose UUID the machine has: if the file
// lies elsewhere than its uuid.location says, uuid.action decides, or else a person. A resume compares nothing: the UUID
// stays in use, and uuid.location as it is, until the machine boots.
func (m *machine) reread(ctx *simulator.Context, vm *simulator.VirtualMachine, before types.VirtualMachinePowerState) types.BaseMethodFault {
	file, _, fault := readConfig(m.config)
	if fault != nil {
		return fault
	}
	m.mu.Lock()
	m.file = file
	m.mu.Unlock()
	here := vmx.FileUUID(m.lab.location(m.config))
	was := file.Get("uuid.location")
	if before == suspended {
		return m.settle(ctx, vm, was)
	}
	if was != "" && !strings.EqualFold(was, here) {
		fault = m.moved(ctx, vm)
	}
	if fault != nil {
		return fault
	}
	return m.settle(ctx, vm, here)
}

// moved decides between keeping and making a UUID.
func (m *machine) moved(ctx *simulator.Context, vm *simulator.VirtualMachine) types.BaseMethodFault {
	switch strings.ToLower(m.file.Get("uuid.action")) {
	case "keep":
		return nil
	case "create":
		m.newIdentity()
		return nil
	}
	switch m.ask(ctx, vm, movedOrCopied(), nil) {
	case answerMoved:
		return nil
	case answerCopied:
		m.newIdentity()
		return nil
	}
	return localized(&types.RequestCanceled{}, "The power-on was cancelled at the question whether the machine was moved or copied.")
}

func movedOrCopied() types.VirtualMachineQuestionInfo {
	const text = "This virtual machine might have been moved or copied."
	return types.VirtualMachineQuestionInfo{
		Text: "msg.uuid.altered:" + text,
		Choice: types.ChoiceOption{
			ChoiceInfo: []types.BaseElementDescription{
				choice(answerCancel, "button.uuid.cancel", "Cancel"),
				choice(answerMoved, "button.uuid.movedTheVM", "I _Moved It"),
				choice(answerCopied, "button.uuid.copiedTheVM", "I _Copied It"),
			},
			DefaultIndex: 2,
		},
		Message: []types.VirtualMachineMessage{{Id: "msg.uuid.altered", Text: text}},
	}
}

func (m *machine) newIdentity() {
	id := randomHex(16)
	m.file.Set("uuid.bios", vmx.FileUUID(id))
	for _, nic := range m.nicsOfFile() {
		if !nic.Manual {
			m.file.Set(nicKeyName(nic.Index, "generatedAddress"), generateMAC(id, nic.Index))
		}
	}
}

// settle writes what a power-on makes sure of into the .vmx: UUID, location (unless it is none) and addresses, and shows
// them.
func (m *machine) settle(ctx *simulator.Context, vm *simulator.VirtualMachine, here string) types.BaseMethodFault {
	var uuid string
	ctx.WithLock(vm, func() { uuid = vm.Config.Uuid })
	if m.file.Get("uuid.bios") == "" {
		m.file.Set("uuid.bios", vmx.FileUUID(uuid))
	}
	if here != "" {
		m.file.Set("uuid.location", here)
	}
	for _, nic := range m.nicsOfFile() {
		if !nic.Manual && nic.MAC == "" {
			m.file.Set(nicKeyName(nic.Index, "generatedAddress"), generateMAC(m.lab.location(m.config), nic.Index))
		}
	}
	if err := m.file.Write(m.config.local); err != nil {
		return localized(&types.CannotAccessFile{FileFault: types.FileFault{File: m.config.dsPath()}}, "Unable to write %s: %v", m.config.dsPath(), err)
	}
	hardware, err := m.file.Hardware()
	if err != nil {
		return localized(&types.GenericVmConfigFault{Reason: err.Error()}, "%v", err)
	}
	devices, used, fault := m.devices(hardware)
	if fault != nil {
		return fault
	}
	m.mu.Lock()
	m.datastores = used
	m.mu.Unlock()
	ctx.Map.AtomicUpdate(ctx, vm, []types.PropertyChange{
		{Name: "config.uuid", Val: hardware.BIOSUUID}, {Name: "summary.config.uuid", Val: hardware.BIOSUUID},
		{Name: "config.locationId", Val: here}, {Name: "config.extraConfig", Val: extraConfig(m.file)},
		{Name: "config.hardware.device", Val: devices},
	})
	return nil
}

// question is one that is open.
type question struct {
	id, text string
	choices  []string
	answer   chan string
}

// ask shows a question and waits for AnswerVM; "" when nobody can answer any more, because the lab or what the
// question is about has ended. One question is open at a time: a second one is not asked, and has no answer.
func (m *machine) ask(ctx *simulator.Context, vm *simulator.VirtualMachine, info types.VirtualMachineQuestionInfo, over <-chan struct{}) string {
	info.Id = "_vmx" + randomHex(3)
	q := &question{id: info.Id, text: info.Text, answer: make(chan string, 1)}
	for _, c := range info.Choice.ChoiceInfo {
		q.choices = append(q.choices, c.GetElementDescription().Key)
	}
	m.mu.Lock()
	if m.question != nil {
		m.mu.Unlock()
		return ""
	}
	m.question = q
	m.mu.Unlock()
	m.showQuestion(ctx, vm, &info)
	chosen := ""
	select {
	case chosen = <-q.answer:
	case <-over:
	case <-m.lab.closing:
	}
	m.mu.Lock()
	m.question = nil
	m.mu.Unlock()
	m.showQuestion(ctx, vm, nil)
	return chosen
}

// pending is the fault of whoever wants something of a machine that waits for an answer.
func (m *machine) pending() types.BaseMethodFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.question == nil {
		return nil
	}
	return localized(&types.InvalidState{},
		"The operation is not allowed at the moment because the virtual machine has a question pending: '%s'", m.question.text)
}

func (m *machine) showQuestion(ctx *simulator.Context, vm *simulator.VirtualMachine, q *types.VirtualMachineQuestionInfo) {
	var value any
	if q != nil {
		value = q
	}
	ctx.Map.AtomicUpdate(ctx, vm, []types.PropertyChange{
		{Name: "runtime.question", Val: value}, {Name: "summary.runtime.question", Val: value},
	})
}

func choice(key, label, summary string) *types.ElementDescription {
	return &types.ElementDescription{Key: key, Description: types.Description{Label: label, Summary: summary}}
}

// AnswerVM answers the machine's question. ConcurrentAccess when that question is not (or no longer) open,
// InvalidArgument when the choice is none of those offered.
func (v *virtualMachine) AnswerVM(_ *simulator.Context, c *types.AnswerVM) soap.HasFault {
	if fault := v.lab.machine(v.Self).answer(c.QuestionId, c.AnswerChoice); fault != nil {
		return &methods.AnswerVMBody{Fault_: simulator.Fault(message(fault), fault)}
	}
	return &methods.AnswerVMBody{Res: &types.AnswerVMResponse{}}
}

func (m *machine) answer(question, chosen string) types.BaseMethodFault {
	answered := localized(&types.ConcurrentAccess{}, "The question has been answered already.")
	if m == nil {
		return answered
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.question == nil || m.question.id != question {
		return answered
	}
	if !slices.Contains(m.question.choices, chosen) {
		return localized(&types.InvalidArgument{InvalidProperty: "answerChoice"}, "There is no choice %q", chosen)
	}
	select {
	case m.question.answer <- chosen:
		return nil
	default:
		return answered
	}
}
