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
	"github.com/understudy-host/understudy/pkg/seal"
)

// Names and limits of the flow cookies.
const (
	stateCookie = "coder-state-" // and the id of the flow
	flowLife    = 10 * time.Minute
	maxFlows    = 5 // pending in one browser; the oldest goes

	// Sizes in bytes. Browsers drop a cookie of more than 4096 without a word, and servers refuse requests whose
	// headers are too long: neither may come of what a link of somebody's put into flows.
	maxFlow      = 2600    // of a flow's JSON before it is begun
	maxFlowBytes = 8 << 10 // of all pending flows' cookies
)

// flow is a sign-in under way. It travels sealed in a cookie of its own, so that no server needs to remember
// it and two tabs do not disturb each other, while the state parameter keeps Backstage's readable form.
type flow struct {
	Hash     []byte `json:"h"`           // SHA-256 of the whole state parameter
	Verifier string `json:"v"`           // PKCE (RFC 7636)
	Env      string `json:"e,omitempty"` // empty for the bridge
	Origin   string `json:"o,omitempty"` // of the app, when it said so
	Mode     string `json:"f,omitempty"` // "popup", "redirect", or bridgeMode
	Redirect string `json:"r,omitempty"` // where a redirect flow ends
	Expires  int64  `json:"x"`           // Unix seconds
}

// bridgeMode marks the flows that the bridge starts; the provider routes do not take them, nor the other
// way round.
const bridgeMode = "bridge"

// newState makes a state parameter in Backstage's form: the hex of a query string that begins with a nonce.
// Fields are the others, each a name and its value.
func newState(fields ...string) (state, nonce string) {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the program instead
	nonce = base64.StdEncoding.EncodeToString(random)
	var text strings.Builder
	text.WriteString("nonce=" + url.QueryEscape(nonce))
	for i := 0; i < len(fields); i += 2 {
		text.WriteString("&" + fields[i] + "=" + url.QueryEscape(fields[i+1]))
	}
	return hex.EncodeToString([]byte(text.String())), nonce
}

// readState is what Backstage's decodeOAuthState makes of a state parameter: nothing in it is to be trusted.
// As there, hex digits are read up to the first character that is none.
func readState(state string) (map[string]string, error) {
	// Node's Buffer.from(…, "hex") does not fail either.
	raw := make([]byte, 0, len(state)/2)
	for i := 0; i+1 < len(state); i += 2 {
		b, err := hex.DecodeString(state[i : i+2])
		if err != nil {
			break
		}
		raw = append(raw, b...)
	}
	values := parseQuery(string(raw))
	fields := make(map[string]string, len(values))
	for name, all := range values {
		fields[name] = all[len(all)-1]
	}
	for _, name := range []string{"env", "nonce"} {
		if fields[name] == "" {
			return fields, apierror.NotAllowed("OAuth state is invalid, missing " + name)
		}
	}
	return fields, nil
}

// flowCookie is the name of the cookie that belongs to a state.
func flowCookie(state string) string {
	sum := sha256.Sum256([]byte(state))
	return stateCookie + hex.EncodeToString(sum[:8])
}

// fits tells whether the cookie of f will be one that browsers keep.
func (f flow) fits() bool {
	text, _ := json.Marshal(f) // a struct of strings
	return len(text) <= maxFlow
}

// begin fills in what every flow has and writes its cookie, together with the removal of the oldest flows
// when there are too many.
func (j *cookieJar) begin(ring *seal.Ring, state string, f flow) flow {
	sum := sha256.Sum256([]byte(state))
	f.Hash, f.Verifier, f.Expires = sum[:], oauth2.GenerateVerifier(), time.Now().Add(flowLife).Unix()
	text, _ := json.Marshal(f) // a struct of strings
	name := flowCookie(state)
	value := ring.Seal(text, name)
	j.prune(ring, maxFlows-1, maxFlowBytes-len(name)-len(value))
	j.write(name, cookie{value: value, path: j.policy.statePath, life: flowLife, cookiePolicy: j.policy})
	return f
}

// flow returns the flow that state belongs to. ok is false when this browser has no such flow under way: the
// state is forged or changed, was used before, or is of another browser. expired tells why, when it is that.
func (j *cookieJar) flow(ring *seal.Ring, state string) (f flow, expired, ok bool) {
	// The name holds a part of the hash and finds the cookie; the whole hash in it decides.
	f, ok = openFlow(ring, flowCookie(state), j.sent[flowCookie(state)])
	sum := sha256.Sum256([]byte(state))
	if !ok || subtle.ConstantTimeCompare(f.Hash, sum[:]) != 1 {
		return flow{}, false, false
	}
	if time.Now().Unix() >= f.Expires {
		return flow{}, true, false
	}
	return f, false, true
}

// end removes the cookie of a flow, so that its state cannot be used again in this browser.
func (j *cookieJar) end(state string) { j.drop(flowCookie(state)) }

// drop empties the flow cookie of that name.
func (j *cookieJar) drop(name string) {
	j.write(name, cookie{path: j.policy.statePath, cookiePolicy: j.policy})
}

// pending returns the flows under way in this browser, the newest first. It is for answers of Coder that
// come without a state.
func (j *cookieJar) pending(ring *seal.Ring) []flow {
	var flows []flow
	for _, name := range j.flowNames() {
		if f, ok := openFlow(ring, name, j.sent[name]); ok && time.Now().Unix() < f.Expires {
			flows = append(flows, f)
		}
	}
	slices.SortFunc(flows, func(a, b flow) int { return int(b.Expires - a.Expires) })
	return flows
}

// prune removes the oldest flows beyond keep in number and room in bytes, and those that are of no use any more.
func (j *cookieJar) prune(ring *seal.Ring, keep, room int) {
	// Most browsers have one flow or none, and nothing is opened then.
	names, size := j.flowNames(), 0
	for _, name := range names {
		size += len(name) + len(j.sent[name])
	}
	if len(names) <= keep && size <= room {
		return
	}
	age := make(map[string]int64, len(names))
	for _, name := range names {
		f, _ := openFlow(ring, name, j.sent[name])
		age[name] = f.Expires // 0 when it does not open
	}
	slices.SortFunc(names, func(a, b string) int { return int(age[b] - age[a]) })
	for i, name := range names {
		if room -= len(name) + len(j.sent[name]); i >= keep || room < 0 {
			j.drop(name)
		}
	}
}

// flowNames returns the names of the flow cookies that were sent, in a fixed order.
func (j *cookieJar) flowNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(j.sent)), func(name string) bool {
		id, ok := strings.CutPrefix(name, stateCookie)
		_, err := hex.DecodeString(id)
		return !ok || err != nil || len(id) != 16
	})
}

// openFlow opens a flow cookie. The name is sealed in: a value under another name does not open.
func openFlow(ring *seal.Ring, name, text string) (flow, bool) {
	plain, err := ring.Open(text, name)
	if err != nil {
		return flow{}, false
	}
	var f flow
	err = json.Unmarshal(plain, &f)
	return f, err == nil
}

// isOlderState tells whether state is what the older frontend makes: the base64 of JSON with a returnTo.
// It does not percent-encode it, so a "+" arrives as a blank, and not everything on the way keeps a "=".
func isOlderState(state string) bool {
	if len(state) > 8<<10 {
		return false
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.ReplaceAll(state, " ", "+"), "="))
	if err != nil || !bytes.HasPrefix(raw, []byte("{")) {
		return false
	}
	var older struct {
		ReturnTo *string `json:"returnTo"`
	}
	return json.Unmarshal(raw, &older) == nil && older.ReturnTo != nil
}
