package vim

import (
	"sync"
	"time"
)

const maxLoggedMethods = 20_000

// MethodCall is one SOAP call in the log.
type MethodCall struct {
	Sequence   int       `json:"sequence"`
	Time       time.Time `json:"time"`
	Method     string    `json:"method"`
	This       string    `json:"this"`
	User       string    `json:"user"`
	DurationMs int64     `json:"durationMs"`
	// Fault is the fault's type, "dropped" when the lab kept the answer back, "" for success or while it runs.
	Fault string `json:"fault,omitempty"`
	Done  bool   `json:"done"`
}

// methodLog is a ring of the latest calls, in the order in which they arrived.
type methodLog struct {
	mu    sync.Mutex
	next  int
	calls []*MethodCall
}

func (l *methodLog) begin(r request) *MethodCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	call := &MethodCall{Sequence: l.next, Time: time.Now(), Method: r.method, This: r.this, User: r.user}
	l.calls = append(l.calls, call)
	if len(l.calls) > maxLoggedMethods {
		l.calls = l.calls[1:]
	}
	return call
}

func (l *methodLog) end(call *MethodCall, fault string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	call.Done, call.Fault, call.DurationMs = true, fault, time.Since(call.Time).Milliseconds()
}

// Methods returns the calls after a sequence number.
func (l *Lab) Methods(after int) []MethodCall {
	log := l.server.methods
	log.mu.Lock()
	defer log.mu.Unlock()
	calls := []MethodCall{}
	for _, c := range log.calls {
		if c.Sequence > after {
			calls = append(calls, *c)
		}
	}
	return calls
}
