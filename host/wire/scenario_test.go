package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// scenario is one file of testdata/scenarios.
type scenario struct {
	name   string // group/file
	Title  string `json:"title"`
	Coder  any    `json:"coder"` // the fake Coder's behaviour at the start
	Steps  []any  `json:"steps"`
	golden []any  // the transcript of the real packages
	next   []any  // the transcript of the newer auth library, if it differs
}

// step is one of: a request (get, head, post, options, or method and path), raw bytes for a socket, a change of the
// fake Coder's behaviour, the browser's way to Coder and back, or values to remember.
type step struct {
	Get, Head, Post, Options, Method, Path string

	Headers map[string]string
	Form    map[string]string
	JSON    any
	Body    *string
	Cookies *string // "none" or a Cookie header; by default the jar's cookies
	Host    string

	Raw       string
	Coder     *behaviour
	Authorize any // true for the last Location, otherwise a path at Coder
	Remember  map[string]string
}

func readScenarios(group string) ([]*scenario, error) {
	files, err := filepath.Glob(filepath.Join("testdata", "scenarios", group, "*.txtar"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(fmt.Errorf("group %s has no scenarios", group), err)
	}
	var out []*scenario
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			return nil, err
		}
		s := &scenario{name: group + "/" + strings.TrimSuffix(filepath.Base(file), ".txtar")}
		for _, part := range archive.Files {
			var golden struct{ Steps []any }
			switch part.Name {
			case "scenario.json":
				err = json.Unmarshal(part.Data, s)
			case "golden.json":
				err = json.Unmarshal(part.Data, &golden)
				s.golden = golden.Steps
			case "golden-next.json":
				err = json.Unmarshal(part.Data, &golden)
				s.next = golden.Steps
			default:
				err = errors.New("unknown part, expected scenario.json, golden.json or golden-next.json")
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", file, part.Name, err)
			}
		}
		if s.golden == nil {
			return nil, fmt.Errorf("%s has no golden transcript", file)
		}
		out = append(out, s)
	}
	return out, nil
}

// rig is a server under test, with the fake Coder that it is configured for.
type rig struct {
	target  string   // host:port
	backend *url.URL // its backend.baseUrl
	coder   *fakeCoder
	mutate  func(*answer) // changes an answer before it is compared; may be nil
}

// browser plays a scenario.
type browser struct {
	*rig
	normal *normalizer
	jar    *jar
	known  map[string]string // values that templates can name
}

// play runs a scenario and returns its transcript, in the types that encoding/json decodes into.
func (r *rig) play(s *scenario) ([]any, error) {
	b := &browser{
		rig: r, normal: newNormalizer(r.backend, r.target, r.coder.address),
		jar:   &jar{host: r.backend.Hostname(), secure: r.backend.Scheme == "https"},
		known: map[string]string{"location": "http://no-location.invalid/", "host": r.backend.Host},
	}
	r.coder.reset()
	var transcript []any
	if s.Coder != nil {
		if _, err := b.step(map[string]any{"coder": s.Coder}); err != nil {
			return nil, err
		}
	}
	for i, raw := range s.Steps {
		entry, err := b.step(raw)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
		if entry != nil {
			transcript = append(transcript, entry)
		}
	}
	text, err := json.Marshal(transcript)
	if err != nil {
		return nil, err
	}
	var out []any
	return out, json.Unmarshal(text, &out)
}

func (b *browser) step(raw any) (map[string]any, error) {
	filled, err := b.fill(raw)
	if err != nil {
		return nil, err
	}
	var original, st step
	if err := errors.Join(convertTo(raw, &original), convertTo(filled, &st)); err != nil {
		return nil, err
	}
	switch {
	case st.Coder != nil:
		return nil, b.coder.behave(*st.Coder)
	case st.Remember != nil:
		maps.Copy(b.known, st.Remember)
		return nil, nil
	case st.Authorize != nil:
		return b.authorize(st.Authorize)
	}
	return b.exchange(st, original)
}

func convertTo(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// authorize sends the browser to Coder, and remembers the URL that Coder sends it back to.
func (b *browser) authorize(where any) (map[string]any, error) {
	address := b.known["location"]
	if path, ok := where.(string); ok {
		address = b.coder.origin() + path
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	entry := map[string]any{"authorize": b.normal.text(u.Scheme + "://" + u.Host + u.Path), "sentBackTo": nil}
	b.known["callback"], b.known["code"] = "/no-callback", ""
	if u.Host == b.coder.address {
		a := send(u.Host, "GET", u.RequestURI(), map[string]string{"Host": u.Host}, nil)
		if back, err := url.Parse(a.first("location")); err == nil && back.Host != "" {
			b.known["callback"], b.known["code"] = back.RequestURI(), back.Query().Get("code")
			entry["sentBackTo"] = b.normal.text(back.Scheme + "://" + back.Host + back.Path)
		}
	}
	_, err = b.coder.takeLog()
	return entry, err
}

func (b *browser) exchange(st, original step) (map[string]any, error) {
	method, path := st.request()
	var a *answer
	entry := map[string]any{}
	if st.Raw != "" {
		line, _, _ := strings.Cut(st.Raw, "\r\n")
		entry["request"] = "raw " + b.normal.text(line)
		a, path = sendRaw(b.target, "GET", st.Raw), "/"
	} else {
		_, shown := original.request()
		if len(shown) > 300 {
			shown = shown[:300] + "…"
		}
		entry["request"] = method + " " + shown
		a = send(b.target, method, path, b.headers(&st, path), st.Body)
	}
	if b.mutate != nil && a.status != 0 {
		b.mutate(a)
	}
	for _, line := range a.header["set-cookie"] {
		b.jar.take(line, path)
	}
	if location := a.first("location"); location != "" {
		b.known["location"] = location
		if u, err := url.Parse(location); err == nil && u.Query().Has("state") {
			b.known["state"] = u.Query().Get("state")
		}
	}
	raw, _ := b.jar.value("coder-nonce")
	b.normal.sent, _ = url.PathUnescape(raw)
	requestURL, err := b.backend.Parse(path)
	if err != nil {
		requestURL = b.backend
	}
	entry["answer"] = b.normal.answer(a, requestURL)
	if after := b.normal.jar(b.jar); len(after) > 0 {
		entry["jar"] = after
	}
	log, err := b.coder.takeLog()
	var saw []any
	for _, rec := range log {
		saw = append(saw, b.normal.upstream(rec))
	}
	if saw != nil {
		entry["coderSaw"] = saw
	}
	return entry, err
}

// request returns the method and the path of a request step.
func (st *step) request() (method, path string) {
	for _, short := range [][2]string{{"GET", st.Get}, {"HEAD", st.Head}, {"OPTIONS", st.Options}, {"POST", st.Post}} {
		if short[1] != "" {
			method, path = short[0], short[1]
		}
	}
	if st.Method != "" {
		method = st.Method
	}
	if st.Path != "" {
		path = st.Path
	}
	return method, path
}

// headers returns the headers of a request, and puts a form or a JSON value into its body.
func (b *browser) headers(st *step, path string) map[string]string {
	headers := map[string]string{"Host": b.backend.Host, "User-Agent": "wire"}
	if st.Host != "" {
		headers["Host"] = st.Host
	}
	cookies := b.jar.header(path)
	if st.Cookies != nil {
		cookies = strings.TrimPrefix(*st.Cookies, "none")
	}
	if cookies != "" {
		headers["Cookie"] = cookies
	}
	if st.Form != nil {
		form := url.Values{}
		for key, value := range st.Form {
			form.Set(key, value)
		}
		text := form.Encode()
		st.Body, headers["Content-Type"] = &text, "application/x-www-form-urlencoded"
	}
	if st.JSON != nil {
		value, _ := json.Marshal(st.JSON)
		text := string(value)
		st.Body, headers["Content-Type"] = &text, "application/json"
	}
	maps.Copy(headers, st.Headers)
	return headers
}

var template = regexp.MustCompile(`\{\{[^{}]+\}\}`)

// fill returns a copy of a step with its templates replaced. A template is the name of a known value, or
//
//	{{repeat:TEXT:TIMES}}, {{encode:TEXT}},
//	{{hex:env=development&nonce=x}}    a new state
//	{{forge:origin=https://x.example}} the last state with fields changed
func (b *browser) fill(value any) (any, error) {
	var errs []error
	switch value := value.(type) {
	case string:
		text := template.ReplaceAllStringFunc(value, func(whole string) string {
			text, err := b.expand(whole[2 : len(whole)-2])
			errs = append(errs, err)
			return text
		})
		return text, errors.Join(errs...)
	case map[string]any:
		out := map[string]any{}
		for key, item := range value {
			filled, err := b.fill(item)
			out[key], errs = filled, append(errs, err)
		}
		return out, errors.Join(errs...)
	}
	return value, nil
}

func (b *browser) expand(inside string) (string, error) {
	name, argument, called := strings.Cut(inside, ":")
	if !called {
		value, ok := b.known[name]
		if !ok {
			return "", fmt.Errorf("{{%s}} is not known yet", name)
		}
		return value, nil
	}
	fields, err := url.ParseQuery(argument)
	switch name {
	case "encode":
		return url.QueryEscape(argument), nil
	case "repeat":
		text, times, _ := strings.Cut(argument, ":")
		n, err := strconv.Atoi(times)
		return strings.Repeat(text, n), err
	case "hex":
		return encodeState(fields), err
	case "forge":
		state := decodeState(b.known["state"])
		if state == nil {
			state = url.Values{}
		}
		maps.Copy(state, fields)
		return encodeState(state), err
	}
	return "", fmt.Errorf("no template function %s", name)
}
