package vim

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

const shutdownTimeout = 2 * time.Second

// server is the lab's API over TLS: /sdk (SOAP), /folder (files of datastores) and /screen (screenshots).
type server struct {
	http        *http.Server
	address     *net.TCPAddr
	fingerprint string
	methods     *methodLog
	faults      *faults
	licence     *licence
	sessions    *sessions
}

// serve starts the API. The simulator's handlers stand behind ours, which log, inject faults and ask for a login.
func (l *Lab) serve() error {
	certificate, fingerprint, err := freshCertificate(filepath.Join(l.config.Directory, "certificate.pem"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", l.config.Listen)
	if err != nil {
		return fmt.Errorf("the lab's API can not listen on %s: %w", l.config.Listen, err)
	}
	service := l.model.Service
	address := listener.Addr().(*net.TCPAddr)
	service.Listen = &url.URL{
		Scheme: "https", Host: address.String(), Path: "/sdk", User: url.UserPassword(l.config.User, l.config.Password),
	}
	service.RegisterSDK(l.registry, "/sdk/vimService")
	manager := l.registry.SessionManager()
	manager.ServiceHostName = address.String()
	manager.ValidLogin = func(login *types.Login) bool { return l.validLogin(login.UserName, login.Password) }

	l.server = &server{
		address: address, fingerprint: fingerprint,
		methods: &methodLog{}, faults: &faults{}, licence: &licence{}, sessions: &sessions{users: map[string]string{}},
	}
	mux := http.NewServeMux()
	mux.Handle("/sdk", l.soap(http.HandlerFunc(service.ServeSDK)))
	mux.Handle("/sdk/vimService", l.soap(http.HandlerFunc(service.ServeSDK)))
	mux.HandleFunc("/sdk/vimServiceVersions.xml", service.ServiceVersions)
	mux.Handle("/folder/", l.authenticated(l.folderOfVSAN(http.HandlerFunc(service.ServeDatastore))))
	mux.Handle("/screen", l.authenticated(http.HandlerFunc(l.serveScreen)))
	l.server.http = &http.Server{
		Handler: mux, ErrorLog: log.New(logDiscard{}, "", 0), ReadHeaderTimeout: 30 * time.Second,
		TLSConfig:    &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1, as hosts speak
	}
	go func() {
		if err := l.server.http.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			log.Printf("the lab's API ended: %v", err)
		}
	}()
	return nil
}

// logDiscard takes what net/http says about clients that break off.
type logDiscard struct{}

func (logDiscard) Write(p []byte) (int, error) { return len(p), nil }

func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}

func (l *Lab) validLogin(user, password string) bool {
	sameUser := subtle.ConstantTimeCompare([]byte(user), []byte(l.config.User))
	samePassword := subtle.ConstantTimeCompare([]byte(password), []byte(l.config.Password))
	return sameUser&samePassword == 1
}

// Address is where the API listens.
func (l *Lab) Address() *net.TCPAddr { return l.server.address }

// Fingerprint is the SHA-256 of the API's certificate: 64 upper-case hexadecimal digits.
func (l *Lab) Fingerprint() string { return l.server.fingerprint }

// authenticated lets only those pass who have a session's cookie or name user and password.
func (l *Lab) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, basic := r.BasicAuth()
		if (basic && l.validLogin(user, password)) || l.hasSession(r) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "login required", http.StatusUnauthorized)
	})
}

func (l *Lab) serveScreen(w http.ResponseWriter, r *http.Request) {
	picture, err := l.screen(r.URL.Query().Get("id"))
	if err != nil {
		http.Error(w, "no such machine that is powered on", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	http.ServeContent(w, r, "", time.Time{}, newReader(picture))
}
