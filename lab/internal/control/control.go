// Package control is how tests and people reach behind the lab's API: HTTP with JSON over a Unix socket in the lab's
// folder, which only its owner can open. It makes machines, talks to guests, injects faults and shows what happened.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"rundirect.dev/lab/internal/vim"
)

// SocketName is the socket's name in the lab's folder.
const SocketName = "control.sock"

const (
	maxRequestBytes = 1 << 20
	defaultTimeout  = 30 * time.Second
	maxTimeout      = 10 * time.Minute
)

// Serve answers until the listener is closed.
func Serve(lab *vim.Lab, info any, directory string) (io.Closer, error) {
	path := filepath.Join(directory, SocketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the lab's control socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	server := &http.Server{Handler: routes(lab, info), ReadHeaderTimeout: defaultTimeout}
	go func() { _ = server.Serve(listener) }()
	return server, nil
}

func routes(lab *vim.Lab, info any) http.Handler {
	mux := http.NewServeMux()
	handle(mux, "GET /info", func(context.Context, *http.Request, none) (any, error) { return info, nil })
	handle(mux, "GET /vms", func(context.Context, *http.Request, none) (any, error) { return lab.Machines(), nil })
	handle(mux, "POST /vms", func(_ context.Context, _ *http.Request, spec vim.NewMachine) (any, error) { return lab.Make(spec) })
	handle(mux, "POST /destroy", func(ctx context.Context, _ *http.Request, b destroyRequest) (any, error) {
		return none{}, lab.Destroy(ctx, b.VM)
	})
	handle(mux, "POST /move", func(_ context.Context, _ *http.Request, b moveRequest) (any, error) {
		return lab.Move(b.VM, b.Datastore)
	})
	handle(mux, "POST /relocate", func(ctx context.Context, _ *http.Request, b relocateRequest) (any, error) {
		return lab.Relocate(ctx, b.VM, b.Datastore, b.Host)
	})
	handle(mux, "POST /power", func(ctx context.Context, _ *http.Request, b powerRequest) (any, error) {
		return lab.Power(ctx, b.VM, b.To)
	})
	handle(mux, "POST /guest", func(ctx context.Context, _ *http.Request, b guestRequest) (any, error) {
		ctx, cancel := b.limit(ctx)
		defer cancel()
		reply, err := lab.Command(ctx, b.VM, b.Command)
		return map[string]string{"reply": reply}, err
	})
	handle(mux, "POST /ready", func(ctx context.Context, _ *http.Request, b guestRequest) (any, error) {
		ctx, cancel := b.limit(ctx)
		defer cancel()
		boots, err := lab.WaitReady(ctx, b.VM)
		return map[string]int{"boots": boots}, err
	})
	handle(mux, "GET /logged", func(_ context.Context, r *http.Request, _ none) (any, error) {
		return lab.Logged(r.URL.Query().Get("vm"))
	})
	handle(mux, "GET /datastores", func(context.Context, *http.Request, none) (any, error) { return lab.Datastores(), nil })
	handle(mux, "GET /methods", func(_ context.Context, r *http.Request, _ none) (any, error) {
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		return lab.Methods(after), nil
	})
	handle(mux, "GET /faults", func(context.Context, *http.Request, none) (any, error) { return lab.Faults(), nil })
	handle(mux, "POST /faults", func(_ context.Context, _ *http.Request, rule vim.FaultRule) (any, error) { return lab.AddFault(rule) })
	handle(mux, "DELETE /faults", func(context.Context, *http.Request, none) (any, error) {
		lab.ClearFaults()
		return none{}, nil
	})
	handle(mux, "POST /settings", func(_ context.Context, _ *http.Request, s settings) (any, error) { return none{}, s.apply(lab) })
	handle(mux, "POST /end-sessions", func(context.Context, *http.Request, none) (any, error) {
		return map[string]int{"ended": lab.EndSessions()}, nil
	})
	return mux
}

type none struct{}

type destroyRequest struct {
	VM string `json:"vm"`
}

type moveRequest struct {
	VM        string `json:"vm"`
	Datastore string `json:"datastore"`
}

type relocateRequest struct {
	VM        string `json:"vm"`
	Datastore string `json:"datastore"`
	Host      string `json:"host"`
}

type powerRequest struct {
	VM string `json:"vm"`
	To string `json:"to"`
}

type guestRequest struct {
	VM        string `json:"vm"`
	Command   string `json:"command"`
	TimeoutMs int    `json:"timeoutMs"`
}

func (r guestRequest) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := time.Duration(r.TimeoutMs) * time.Millisecond
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return context.WithTimeout(ctx, min(timeout, maxTimeout))
}

type settings struct {
	Licence     string `json:"licence"`
	Maintenance *struct {
		Host string `json:"host"`
		On   bool   `json:"on"`
	} `json:"maintenance"`
	VMotion *bool `json:"vMotion"`
	// StorageRate is in bytes per second; 0 stands for no limit.
	StorageRate *int64 `json:"storageRate"`
	FreeSpace   *struct {
		Datastore string `json:"datastore"`
		// Bytes below 0 lift the limit.
		Bytes int64 `json:"bytes"`
	} `json:"freeSpace"`
}

func (s settings) apply(lab *vim.Lab) error {
	if s.Licence != "" {
		if err := lab.SetLicence(s.Licence); err != nil {
			return err
		}
	}
	if s.Maintenance != nil {
		if err := lab.SetMaintenance(s.Maintenance.Host, s.Maintenance.On); err != nil {
			return err
		}
	}
	if s.VMotion != nil {
		lab.SetVMotion(*s.VMotion)
	}
	if s.StorageRate != nil {
		if err := lab.SetStorageRate(*s.StorageRate); err != nil {
			return err
		}
	}
	if s.FreeSpace != nil {
		return lab.SetFreeSpace(s.FreeSpace.Datastore, s.FreeSpace.Bytes)
	}
	return nil
}

// handle answers with the result as JSON, or with 400 and {"error": …}.
func handle[Body any](mux *http.ServeMux, pattern string, answer func(context.Context, *http.Request, Body) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var body Body
		var result any
		err := decode(w, r, &body)
		if err == nil {
			result, err = answer(r.Context(), r, body)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			result = map[string]string{"error": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(result)
	})
}

func decode(w http.ResponseWriter, r *http.Request, into any) error {
	if r.Method != http.MethodPost || r.ContentLength == 0 {
		return nil
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
