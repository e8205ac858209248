package coder

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/understudy-host/understudy/pkg/express"
)

// Names and limits of the flow cookies.
const (
	stateCookie = "coder-state-" // and the id of the flow
	flowLife    = 10 * time.Minute
	maxFlows    = 5 // pending in one browser; the oldest is removed

	// maxFlowLine is the length of the Set-Cookie line of a flow, in bytes. Proxies read the headers of an answer into
	// little room, 4 kB for nginx, and the Location holds the state already.
	maxFlowLine = 300
)

// kind says which frontend waits for the end of a flow, and how.
type kind byte

// The kinds of flow. Backstage's frontend takes the result from a popup or, after a redirect, from its own page.
const (
	popup kind = iota
	redirect
	bridge // of the legacy frontend
)

// flow is a sign-in in progress. It travels sealed in a cookie of its own: no server needs to remember it, and
// two tabs do not disturb each other. The state parameter has Backstage's readable form.
type flow struct {
	kind        kind
	hash        [sha256.Size]byte // of the whole state parameter; zero if no flow has been found
	verifier    string            // PKCE (RFC 7636)
	env         string            // empty for the bridge
	origin      string            // of the app, if known
	redirectURI string            // that the code is asked for with, and must be spent with
	expires     int64             // Unix seconds
	fields      map[string]string // of the state; nil if the answer had none
}

// known reports whether f is a flow of this browser, pending or expired.
func (f flow) known() bool { return f.expires != 0 }

// flowCookie returns the name of the cookie that belongs to a state, without a prefix.
func flowCookie(state string) string {
	sum := sha256.Sum256([]byte(state))
	return stateCookie + hex.EncodeToString(sum[:nameSize])
}

// The parts of a sealed flow, in bytes. The name of the cookie, which is sealed in, holds the rest of the hash.
// Environment and redirect URI are hashes, since they are among those configured. The origin comes last, as it is or,
// if that is too long, as a hash.
const (
	nameSize    = 8
	hashSize    = 4
	atExpires   = 1
	atHash      = atExpires + 4
	atVerifier  = atHash + sha256.Size - nameSize
	atEnv       = atVerifier + 32
	atRedirect  = atEnv + hashSize
	atOrigin    = atRedirect + hashSize
	plainOrigin = 'o'
	hashOrigin  = 'h'
)

// short returns the hash by which a configured value is found again.
func short(value string) string {
	sum := sha256.Sum256([]byte(value))
	return string(sum[:hashSize])
}

// pack returns what is sealed of a flow, in at most room bytes.
func (f flow) pack(room int) []byte {
	verifier, _ := base64.RawURLEncoding.DecodeString(f.verifier) // of oauth2.GenerateVerifier: 32 bytes
	text := append(make([]byte, 0, room), byte(f.kind))
	text = binary.BigEndian.AppendUint32(text, uint32(f.expires)) //nolint:gosec // until the year 2106
	text = append(append(text, f.hash[nameSize:]...), verifier...)
	text = append(append(text, short(f.env)...), short(f.redirectURI)...)
	switch {
	case f.origin == "":
	case len(text)+1+len(f.origin) <= room:
		text = append(append(text, plainOrigin), f.origin...)
	default:
		text = append(append(text, hashOrigin), short(f.origin)...)
	}
	return text
}

// openFlow opens a flow cookie. The name is sealed in, so that a value under another name does not open.
func (h *handler) openFlow(name, value string) (f flow, ok bool) {
	text, err := h.ring.Open(value, name)
	id, _ := hex.DecodeString(name[len(name)-2*nameSize:])
	switch {
	case err != nil || len(text) == 0:
		return f, false
	case text[0] == '{':
		return h.openOldFlow(text)
	case len(text) < atOrigin:
		return f, false
	}
	f.kind, f.expires = kind(text[0]), int64(binary.BigEndian.Uint32(text[atExpires:]))
	f.hash = [sha256.Size]byte(append(id, text[atHash:atVerifier]...))
	f.verifier = base64.RawURLEncoding.EncodeToString(text[atVerifier:atEnv])
	var envKnown, urlKnown bool
	f.env, envKnown = byHash(string(text[atEnv:atRedirect]), slices.Collect(maps.Keys(h.environments)))
	f.redirectURI, urlKnown = byHash(string(text[atRedirect:atOrigin]), h.callbackURLs)
	if origin := string(text[atOrigin:]); origin != "" && origin[0] == plainOrigin {
		f.origin = origin[1:]
	} else if origin != "" {
		f.origin, _ = byHash(origin[1:], h.settings.exactOrigins)
	}
	return f, urlKnown && (envKnown || f.kind == bridge)
}

// byHash returns the value with this short hash.
func byHash(hash string, values []string) (string, bool) {
	i := slices.IndexFunc(values, func(value string) bool { return short(value) == hash })
	if i < 0 {
		return "", false
	}
	return values[i], true
}

// openOldFlow opens a flow that the release before sealed, so that a sign-in lasts through the change.
func (h *handler) openOldFlow(text []byte) (flow, bool) {
	var old struct {
		Hash     []byte `json:"h"`
		Verifier string `json:"v"`
		Env      string `json:"e"`
		Origin   string `json:"o"`
		Mode     string `json:"f"`
		Expires  int64  `json:"x"`
	}
	if json.Unmarshal(text, &old) != nil || len(old.Hash) != sha256.Size {
		return flow{}, false
	}
	f := flow{hash: [sha256.Size]byte(old.Hash), verifier: old.Verifier, env: old.Env, origin: old.Origin, expires: old.Expires}
	e, known := h.environments[f.env]
	switch {
	case old.Mode == "bridge":
		f.kind, f.redirectURI, known = bridge, h.settings.mount+callbackPath, true
	case known:
		f.redirectURI = e.app.CallbackURL
	}
	if old.Mode == "redirect" {
		f.kind = redirect
	}
	return f, known
}

// flow returns the flow that state belongs to. ok is false if this browser has no such flow: the state is forged
// or changed, was used before, belongs to another browser, or has expired, which expired reports.
func (h *handler) flow(sent cookies, state string) (f flow, expired, ok bool) {
	// The name holds a part of the hash and finds the cookie. The whole hash inside decides.
	name, sum := flowCookie(state), sha256.Sum256([]byte(state))
	for _, name := range []string{hostPrefix + name, name} {
		for _, value := range sent[name] {
			f, ok = h.openFlow(name, value)
			if !ok || subtle.ConstantTimeCompare(f.hash[:], sum[:]) != 1 {
				continue
			}
			f.fields, _ = readState(state)
			if time.Now().Unix() >= f.expires {
				return f, true, false
			}
			return f, false, true
		}
	}
	return flow{}, false, false
}

// pendingFlow returns the newest flow in progress in this browser that matches, or none. It is for answers of Coder
// without a state.
func (h *handler) pendingFlow(sent cookies, match func(flow) bool) (newest flow) {
	for _, name := range sent.flowNames() {
		f, ok := h.openFlow(name, sent.first(name))
		if ok && f.expires > max(time.Now().Unix(), newest.expires) && match(f) {
			newest = f
		}
	}
	return newest
}

// flowNames returns the sorted names of the flow cookies.
func (c cookies) flowNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c)), func(name string) bool {
		id, ok := strings.CutPrefix(strings.TrimPrefix(name, hostPrefix), stateCookie)
		_, err := hex.DecodeString(id)
		return !ok || err != nil || len(id) != 2*nameSize
	})
}

// beginFlow completes a flow, writes its cookie, and removes the oldest flows if there are too many.
func (h *handler) beginFlow(j *cookieJar, state string, f flow) flow {
	f.hash, f.verifier, f.expires = sha256.Sum256([]byte(state)), oauth2.GenerateVerifier(), time.Now().Add(flowLife).Unix()
	h.pruneFlows(j, maxFlows-1)
	name, path := j.policy.own(flowCookie(state), j.policy.statePath)
	room := maxFlowLine - len(j.policy.flowLine(name, "", path, flowLife))
	j.header.Add("Set-Cookie", j.policy.flowLine(name, h.ring.Seal(f.pack(h.ring.Room(room)), name), path, flowLife))
	return f
}

// flowLine returns the Set-Cookie line of a flow. Max-Age alone limits it, to keep it short.
func (p cookiePolicy) flowLine(name, value, path string, life time.Duration) string {
	c := p.cookie(name, value, path, life)
	c.Expires = time.Time{}
	return express.CookieLine(c)
}

// endFlow removes the cookie of a flow, so that its state cannot be used again in this browser.
func (j *cookieJar) endFlow(state string) {
	name, prefixed := flowCookie(state), hostPrefix+flowCookie(state)
	if len(j.cookies[prefixed]) > 0 {
		j.removeFlow(prefixed)
	}
	if len(j.cookies[name]) > 0 || len(j.cookies[prefixed]) == 0 {
		j.removeFlow(name)
	}
}

// removeFlow removes a flow's cookie. One with the prefix gets no more than that takes, since the answer may have little
// room.
func (j *cookieJar) removeFlow(name string) {
	if strings.HasPrefix(name, hostPrefix) {
		express.SetCookie(j.header, &http.Cookie{Name: name, Path: "/", MaxAge: -1, Secure: true})
		return
	}
	j.header.Add("Set-Cookie", j.policy.flowLine(name, "", j.policy.statePath, 0))
}

// pruneFlows removes flows until at most keep are left: first those that do not open, then the oldest.
func (h *handler) pruneFlows(j *cookieJar, keep int) {
	names, expires := j.flowNames(), make(map[string]int64)
	for _, name := range names {
		f, _ := h.openFlow(name, j.first(name))
		expires[name] = f.expires // 0 if it does not open
	}
	slices.SortFunc(names, func(a, b string) int { return int(expires[b] - expires[a]) })
	for _, name := range names[min(keep, len(names)):] {
		j.removeFlow(name)
	}
}
