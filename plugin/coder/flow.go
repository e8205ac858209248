package coder

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/seal"
)

// Names and limits of the flow cookies.
const (
	stateCookie = "coder-state-" // and the id of the flow
	flowLife    = 10 * time.Minute
	maxFlows    = 5 // pending in one browser; the oldest is removed

	// Sizes in bytes. Browsers silently drop a cookie of more than 4096, and servers refuse requests whose headers
	// are too long. A link with a long URL must cause neither.
	maxFlow      = 2600    // of a flow's JSON before it is begun
	maxFlowBytes = 8 << 10 // of the cookies of all pending flows
)

// bridgeMode marks the flows that the bridge begins. The provider routes do not take them, and the legacy callback
// takes no others.
const bridgeMode = "bridge"

// flow is a sign-in in progress. It travels sealed in a cookie of its own: no server needs to remember it, and
// two tabs do not disturb each other. The state parameter has Backstage's readable form.
type flow struct {
	Hash     []byte `json:"h"`           // SHA-256 of the whole state parameter
	Verifier string `json:"v"`           // PKCE (RFC 7636)
	Env      string `json:"e,omitempty"` // empty for the bridge
	Origin   string `json:"o,omitempty"` // of the app, if known
	Mode     string `json:"f,omitempty"` // "popup", "redirect", or bridgeMode
	Redirect string `json:"r,omitempty"` // where a redirect flow ends
	Expires  int64  `json:"x"`           // Unix seconds
}

// fits reports whether browsers will keep the cookie of f.
func (f flow) fits() bool {
	text, _ := json.Marshal(f) // cannot fail
	return len(text) <= maxFlow
}

// newState returns a state parameter in Backstage's form, the hex of a query string that begins with a nonce.
// fields are the names and values of the other parameters.
func newState(fields ...string) (state, nonce string) {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the program instead
	nonce = base64.StdEncoding.EncodeToString(random)
	query := []string{"nonce=" + url.QueryEscape(nonce)}
	for i := 0; i < len(fields); i += 2 {
		query = append(query, fields[i]+"="+url.QueryEscape(fields[i+1]))
	}
	return hex.EncodeToString([]byte(strings.Join(query, "&"))), nonce
}

// readState is Backstage's decodeOAuthState. Nothing in a state can be trusted.
func readState(state string) (map[string]string, error) {
	// As Node's Buffer.from(…, "hex"), it reads up to the first character that is not a hex digit.
	raw := make([]byte, hex.DecodedLen(len(state)))
	n, _ := hex.Decode(raw, []byte(state[:len(state)&^1]))
	fields := make(map[string]string)
	for name, values := range express.ParseQuery(string(raw[:n])) {
		fields[name] = values[len(values)-1]
	}
	for _, name := range []string{"env", "nonce"} {
		if fields[name] == "" {
			return fields, apierror.NotAllowed("OAuth state is invalid, missing " + name)
		}
	}
	return fields, nil
}

// isLegacyState reports whether state is one of the legacy frontend: the base64 of JSON with a returnTo. That
// frontend does not percent-encode it, so a "+" arrives as a blank, and a "=" may be lost.
func isLegacyState(state string) bool {
	if len(state) > 8<<10 {
		return false
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.ReplaceAll(state, " ", "+"), "="))
	if err != nil || !bytes.HasPrefix(raw, []byte("{")) {
		return false
	}
	var legacy struct {
		ReturnTo *string `json:"returnTo"`
	}
	return json.Unmarshal(raw, &legacy) == nil && legacy.ReturnTo != nil
}

// flowCookie returns the name of the cookie that belongs to a state.
func flowCookie(state string) string {
	sum := sha256.Sum256([]byte(state))
	return stateCookie + hex.EncodeToString(sum[:8])
}

// openFlow opens a flow cookie. The name is sealed in, so that a value under another name does not open.
func openFlow(ring *seal.Ring, name, value string) (flow, bool) {
	var f flow
	text, err := ring.Open(value, name)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	return f, err == nil
}

// flow returns the flow that state belongs to. ok is false if this browser has no such flow: the state is forged
// or changed, was used before, belongs to another browser, or has expired, which expired reports.
func (c cookies) flow(ring *seal.Ring, state string) (f flow, expired, ok bool) {
	// The name holds a part of the hash and finds the cookie. The whole hash inside decides.
	f, ok = openFlow(ring, flowCookie(state), c[flowCookie(state)])
	sum := sha256.Sum256([]byte(state))
	if !ok || subtle.ConstantTimeCompare(f.Hash, sum[:]) != 1 {
		return flow{}, false, false
	}
	if time.Now().Unix() >= f.Expires {
		return flow{}, true, false
	}
	return f, false, true
}

// pendingFlow returns the newest flow in progress in this browser that matches, or none. It is for answers of Coder
// without a state.
func (c cookies) pendingFlow(ring *seal.Ring, match func(flow) bool) (newest flow) {
	for _, name := range c.flowNames() {
		f, ok := openFlow(ring, name, c[name])
		if ok && f.Expires > max(time.Now().Unix(), newest.Expires) && match(f) {
			newest = f
		}
	}
	return newest
}

// flowNames returns the sorted names of the flow cookies.
func (c cookies) flowNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c)), func(name string) bool {
		id, ok := strings.CutPrefix(name, stateCookie)
		_, err := hex.DecodeString(id)
		return !ok || err != nil || len(id) != 16
	})
}

// beginFlow completes a flow, writes its cookie, and removes the oldest flows if there are too many.
func (j *cookieJar) beginFlow(ring *seal.Ring, state string, f flow) flow {
	sum := sha256.Sum256([]byte(state))
	f.Hash, f.Verifier, f.Expires = sum[:], oauth2.GenerateVerifier(), time.Now().Add(flowLife).Unix()
	text, _ := json.Marshal(f) // cannot fail
	name := flowCookie(state)
	value := ring.Seal(text, name)
	j.pruneFlows(ring, maxFlows-1, maxFlowBytes-len(name)-len(value))
	j.write(name, value, j.policy.statePath, flowLife)
	return f
}

// endFlow removes the cookie of a flow, so that its state cannot be used again in this browser.
func (j *cookieJar) endFlow(state string) { j.write(flowCookie(state), "", j.policy.statePath, 0) }

// pruneFlows removes flows until at most keep are left, in at most room bytes: first those that do not open, then
// the oldest.
func (j *cookieJar) pruneFlows(ring *seal.Ring, keep, room int) {
	names, expires := j.flowNames(), make(map[string]int64)
	for _, name := range names {
		f, _ := openFlow(ring, name, j.cookies[name])
		expires[name] = f.Expires // 0 if it does not open
	}
	slices.SortFunc(names, func(a, b string) int { return int(expires[b] - expires[a]) })
	for i, name := range names {
		if room -= len(name) + len(j.cookies[name]); i >= keep || room < 0 {
			j.write(name, "", j.policy.statePath, 0)
		}
	}
}
