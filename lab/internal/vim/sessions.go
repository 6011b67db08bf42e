package vim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// sessions remembers who has which session, for the method log.
type sessions struct {
	mu    sync.Mutex
	users map[string]string
}

func (s *sessions) user(cookie string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[cookie]
}

func (s *sessions) learn(response *httptest.ResponseRecorder, user string) {
	for _, c := range response.Result().Cookies() {
		if c.Name == sessionCookie {
			s.mu.Lock()
			s.users[strings.Trim(c.Value, `"`)] = user
			s.mu.Unlock()
		}
	}
}

func cookieValue(r *http.Request) string {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return strings.Trim(c.Value, `"`)
}

// sessionManager is the simulator's, with the list of the sessions that are alive now.
func (l *Lab) sessionManager() *simulator.SessionManager {
	view := simulator.Session{Registry: simulator.NewRegistry(), Map: l.registry}
	manager, _ := view.Get(l.registry.SessionManager().Self).(*simulator.SessionManager)
	return manager
}

func (l *Lab) hasSession(r *http.Request) bool {
	cookie := cookieValue(r)
	if cookie == "" {
		return false
	}
	for _, s := range l.sessionManager().SessionList {
		if s.Key == cookie {
			return true
		}
	}
	return false
}

// EndSessions ends every session, as a host does with idle ones: the next call gets NotAuthenticated.
func (l *Lab) EndSessions() int {
	manager := l.sessionManager()
	var keys []string
	for _, s := range manager.SessionList {
		keys = append(keys, s.Key)
	}
	ctx := l.context()
	manager.TerminateSession(ctx, &types.TerminateSession{SessionId: keys})
	return len(keys)
}
