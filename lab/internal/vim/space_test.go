package vim

import (
	"strings"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

func (b *bench) question(vm *object.VirtualMachine) *types.VirtualMachineQuestionInfo {
	b.Helper()
	var asked *types.VirtualMachineQuestionInfo
	b.eventually("a question", func() bool {
		asked = b.properties(vm).Runtime.Question
		return asked != nil
	})
	return asked
}

func (b *bench) answer(vm *object.VirtualMachine, q *types.VirtualMachineQuestionInfo, choice string) error {
	_, err := methods.AnswerVM(b.ctx, b.client.Client, &types.AnswerVM{This: vm.Reference(), QuestionId: q.Id, AnswerChoice: choice})
	return err
}

// A guest whose datastore is full stands still, asks, and goes on where it was once there is room; or is powered off.
func TestAGuestWithoutSpaceAsks(t *testing.T) {
	needsGuest(t)
	b := start(t, "esx")
	vm := b.make(NewMachine{Name: "web"})
	b.done(vm.PowerOn(b.ctx))
	b.ready("web")
	b.startLog("web")
	b.moreLines("web", 2)
	full := func(bytes int64) {
		if err := b.lab.SetFreeSpace("datastore1", bytes); err != nil {
			t.Fatal(err)
		}
	}
	full(0)
	q := b.question(vm)
	if !strings.HasPrefix(q.Text, "msg.hbacommon.outofspace:There is no more space for virtual disk 'web.vmdk'.") {
		t.Errorf("asked %q", q.Text)
	}
	_, err := b.outcome(vm.PowerOff(b.ctx))
	b.wants("InvalidState", err)
	b.wants("InvalidArgument", b.answer(vm, q, "7"))
	if err := b.answer(vm, q, answerRetry); err != nil { // there is still no room
		t.Fatal(err)
	}
	b.wants("ConcurrentAccess", b.answer(vm, q, answerRetry))
	b.eventually("another question", func() bool {
		again := b.properties(vm).Runtime.Question
		return again != nil && again.Id != q.Id
	})
	q = b.question(vm)
	before, _ := b.lab.Logged("web")
	full(-1)
	if err := b.answer(vm, q, answerRetry); err != nil {
		t.Fatal(err)
	}
	b.moreLines("web", 3)
	b.checkLog("web")
	b.hasLines("web", before)
	b.say("web", "BOOTS", "BOOTS 1")
	b.startLog("web")
	full(0)
	if err := b.answer(vm, b.question(vm), answerTerminate); err != nil {
		t.Fatal(err)
	}
	b.eventually("powered off", func() bool {
		p := b.properties(vm)
		return p.Runtime.PowerState == "poweredOff" && p.Runtime.Question == nil
	})
}
