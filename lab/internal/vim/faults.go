package vim

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// What a fault rule does with a call.
const (
	// ActionDrop performs the call and ends the connection without an answer.
	ActionDrop = "drop"
	// ActionFail answers with a fault and performs nothing.
	ActionFail = "fail"
	// ActionFailTask lets the call start its task and the task fail, performing nothing.
	ActionFailTask = "failTask"
	// ActionDelay performs the call after a while.
	ActionDelay = "delay"
)

// FaultRule is a mishap that a test asks for.
type FaultRule struct {
	ID     int    `json:"id"`
	Method string `json:"method"`
	Action string `json:"action"`
	Fault  string `json:"fault,omitempty"`
	// DelayMs is waited before the call is performed, whatever the action is.
	DelayMs int `json:"delayMs,omitempty"`
	// Times is how often the rule still acts; 0 stands for always.
	Times int `json:"times"`
	// Hits counts how often it has acted.
	Hits int `json:"hits"`
}

type faults struct {
	mu    sync.Mutex
	next  int
	rules []*FaultRule
}

// match finds the rule for a method and uses it up.
func (f *faults) match(method string) *FaultRule {
	return f.use(func(r *FaultRule) bool { return r.Action != ActionFailTask && r.Method == method })
}

// task tells whether the task of a method is to fail. name is the task's, as in "powerOn".
func (f *faults) task(name string) types.BaseMethodFault {
	rule := f.use(func(r *FaultRule) bool {
		method := strings.TrimSuffix(r.Method, "_Task")
		return r.Action == ActionFailTask && (strings.EqualFold(method, name) || strings.EqualFold(method, name+"VM"))
	})
	if rule == nil {
		return nil
	}
	fault, _ := newFault(rule.Fault)
	return localized(fault, "A fault that was asked for in the lab.")
}

func (f *faults) use(matches func(*FaultRule) bool) *FaultRule {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range f.rules {
		if !matches(r) {
			continue
		}
		r.Hits++
		if r.Times > 0 {
			if r.Times--; r.Times == 0 {
				f.rules = slices.Delete(f.rules, i, i+1)
			}
		}
		copied := *r
		return &copied
	}
	return nil
}

// AddFault adds a rule; the first that fits a call acts.
func (l *Lab) AddFault(rule FaultRule) (FaultRule, error) {
	switch rule.Action {
	case ActionDrop, ActionDelay:
	case ActionFail, ActionFailTask:
		if _, known := newFault(rule.Fault); !known {
			return rule, fmt.Errorf("the vSphere API has no fault %q", rule.Fault)
		}
	default:
		return rule, fmt.Errorf("unknown action %q: drop, fail, failTask or delay", rule.Action)
	}
	f := l.server.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	rule.ID, rule.Hits = f.next, 0
	f.rules = append(f.rules, &rule)
	return rule, nil
}

// Faults lists the rules that can still act.
func (l *Lab) Faults() []FaultRule {
	f := l.server.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	rules := []FaultRule{}
	for _, r := range f.rules {
		rules = append(rules, *r)
	}
	return rules
}

// ClearFaults removes all rules.
func (l *Lab) ClearFaults() {
	f := l.server.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}
