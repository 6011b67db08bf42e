package vim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

const (
	maxRequestBytes = 8 << 20
	sessionCookie   = "vmware_soap_session"
)

// request is what our handlers need to know of a SOAP call.
type request struct {
	method, this, user string
}

// readRequest takes the method's name, its object, and the user of a Login (never the password) out of an envelope.
func readRequest(body []byte) request {
	var r request
	decoder := xml.NewDecoder(bytes.NewReader(body))
	depth, field := 0, ""
	for {
		token, err := decoder.Token()
		if err != nil {
			return r
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			field = t.Name.Local
			if r.method == "" && depth == 3 && field != "" {
				r.method = field
			}
			if field == "_this" && depth == 4 {
				for _, a := range t.Attr {
					if a.Name.Local == "type" {
						r.this = a.Value + ":"
					}
				}
			}
		case xml.EndElement:
			depth--
			field = ""
		case xml.CharData:
			switch {
			case depth == 4 && field == "_this":
				r.this += string(t)
			case depth == 4 && field == "userName" && r.method == "Login":
				r.user += string(t)
			}
		}
	}
}

// emptied stands for an annotation that a caller empties: govmomi's types know no difference between an element that
// is empty and one that is not there, and a host does.
const emptied = "\ue000"

var emptyAnnotation = regexp.MustCompile(`<annotation>\s*</annotation>|<annotation\s*/>`)

func markEmptied(body []byte) []byte {
	return emptyAnnotation.ReplaceAll(body, []byte("<annotation>"+emptied+"</annotation>"))
}

// soap stands before the simulator: it logs every method, refuses what the licence forbids, and plays the faults that
// a test has asked for.
func (l *Lab) soap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
		if err != nil {
			http.Error(w, "the request is too large or broke off", http.StatusBadRequest)
			return
		}
		body = markEmptied(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		l.answer(w, r, readRequest(withoutHeader(body)), next)
	})
}

// withoutHeader drops an envelope's header, so that the method is always the first element of the second level.
func withoutHeader(body []byte) []byte {
	from := bytes.Index(body, []byte("Body"))
	if from < 0 {
		return body
	}
	start := bytes.LastIndexByte(body[:from], '<')
	if start < 0 {
		return body
	}
	return append([]byte("<Envelope>"), body[start:]...)
}

func (l *Lab) answer(w http.ResponseWriter, r *http.Request, call request, next http.Handler) {
	s := l.server
	cookie := cookieValue(r)
	if call.user == "" {
		call.user = s.sessions.user(cookie)
	}
	entry := s.methods.begin(call)
	rule := s.faults.match(call.method)
	if rule != nil && rule.DelayMs > 0 {
		time.Sleep(time.Duration(rule.DelayMs) * time.Millisecond)
	}
	switch {
	case !s.licence.allows(call.method):
		s.methods.end(entry, "RestrictedVersion")
		writeFault(w, "RestrictedVersion", "Current license or ESXi version prohibits execution of the requested operation.")
		return
	case rule != nil && rule.Action == ActionFail:
		s.methods.end(entry, rule.Fault)
		writeFault(w, rule.Fault, "A fault that was asked for in the lab.")
		return
	}
	if call.method == "Login" || (rule != nil && rule.Action == ActionDrop) {
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		s.sessions.learn(recorded, call.user)
		if rule != nil && rule.Action == ActionDrop {
			s.methods.end(entry, "dropped")
			dropConnection(w)
			return
		}
		s.methods.end(entry, faultOf(recorded.Code, recorded.Body.Bytes()))
		copyResponse(w, recorded)
		return
	}
	watched := &statusWriter{ResponseWriter: w}
	next.ServeHTTP(watched, r)
	s.methods.end(entry, faultOf(watched.code, watched.head))
}

// dropConnection ends the connection without an answer: the client can't know what has become of its call.
func dropConnection(w http.ResponseWriter) {
	if hijacker, ok := w.(http.Hijacker); ok {
		if connection, _, err := hijacker.Hijack(); err == nil {
			_ = connection.Close()
		}
	}
}

func copyResponse(w http.ResponseWriter, recorded *httptest.ResponseRecorder) {
	for name, values := range recorded.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorded.Code)
	_, _ = w.Write(recorded.Body.Bytes())
}

// statusWriter remembers the status and the start of a response.
type statusWriter struct {
	http.ResponseWriter
	code int
	head []byte
}

const headBytes = 1024

func (s *statusWriter) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *statusWriter) Write(p []byte) (int, error) {
	if s.code != http.StatusOK && len(s.head) < headBytes {
		s.head = append(s.head, p[:min(len(p), headBytes)]...)
	}
	return s.ResponseWriter.Write(p)
}

// faultOf finds the fault's type in a response.
func faultOf(code int, body []byte) string {
	if code == http.StatusOK || code == 0 {
		return ""
	}
	_, rest, found := strings.Cut(string(body), `xsi:type="`)
	if !found {
		return fmt.Sprintf("HTTP %d", code)
	}
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// writeFault answers with a fault of the named type, without properties.
func writeFault(w http.ResponseWriter, name, text string) {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(text))
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring><detail><%sFault xmlns="urn:vim25" xsi:type="%s"></%sFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`,
		escaped.String(), name, name, name)
}

// newFault makes a fault of the API by its name.
func newFault(name string) (types.BaseMethodFault, bool) {
	kind, found := types.TypeFunc()(name)
	if !found {
		return nil, false
	}
	fault, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
	return fault, ok
}
