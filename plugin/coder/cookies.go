package coder

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/js"
)

// Names, lifetimes and sizes of Backstage's OAuthCookieManager.
const (
	nonceCookie   = "coder-nonce"
	refreshCookie = "coder-refresh-token"
	maxCookie     = 4000 // characters; longer values are cut into "-0", "-1", …
)

// cookiePolicy is where cookies belong and how they are protected, for one app origin.
type cookiePolicy struct {
	domain      string // host name of the callback, for clearing cookies that once were set with a Domain
	sessionPath string // of the refresh token
	noncePath   string
	statePath   string
	secure      bool
	sameSite    string
}

// policy follows Backstage's defaultCookieConfigurer. It differs for a callbackUrl that does not end in
// coder/handler/frame: there Backstage's paths are ones that the browser never comes back to. The nonce and
// the state belong to the callback, the refresh token to the mount, whose refresh and logout routes need it.
func (app *application) policy(mount, appOrigin string) cookiePolicy {
	callback, _ := url.Parse(app.callbackURL) // was checked at start
	from, _ := url.Parse(appOrigin)
	at, _ := url.Parse(mount)
	p := cookiePolicy{
		domain: callback.Hostname(), secure: callback.Scheme == "https", sameSite: "Lax",
		sessionPath: at.Path, statePath: callback.Path, noncePath: callback.Path,
	}
	if base, ok := strings.CutSuffix(callback.Path, framePath); ok && strings.HasSuffix(base, "coder") {
		p.sessionPath, p.statePath, p.noncePath = base, base, base+"/handler"
	} else if strings.HasPrefix(callback.Path, at.Path+"/") {
		p.statePath = at.Path
	}
	if p.secure && from != nil && !strings.EqualFold(from.Hostname(), callback.Hostname()) {
		p.sameSite = "None"
	}
	return p
}

// cookieJar reads the cookies of one request and writes those of its answer.
type cookieJar struct {
	sent   map[string]string
	header http.Header  // of the answer
	policy cookiePolicy // for the origin that this request is about
	plain  cookiePolicy // for app.baseUrl; Backstage clears most cookies with it
}

// parseCookies reads Cookie headers as npm's cookie does: the first of two cookies of one name counts,
// quotes are dropped, and what is not valid percent encoding stays as it is.
func parseCookies(headers []string) map[string]string {
	cookies := make(map[string]string)
	for pair := range strings.SplitSeq(strings.Join(headers, ";"), ";") {
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if _, seen := cookies[name]; !ok || seen {
			continue
		}
		// The order is that of npm's cookie: quotes go first, and what is in them is decoded.
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		cookies[name] = js.DecodeURIComponent(value)
	}
	return cookies
}

// get returns a cookie's value, put together from its chunks when there are any.
func (j *cookieJar) get(name string) string {
	chunks := j.chunks(name)
	if chunks == 0 {
		return j.sent[name]
	}
	var value strings.Builder
	for i := range chunks {
		value.WriteString(j.sent[chunkName(name, i)])
	}
	return value.String()
}

// chunks counts the chunks of a cookie that were sent, up to the first gap.
func (j *cookieJar) chunks(name string) int {
	n := 0
	for j.sent[chunkName(name, n)] != "" {
		n++
	}
	return n
}

// set stores a value, in chunks when it is long, and clears what is in its way: the same cookie with a
// Domain, and the other form. The order matters, for browsers tell cookies apart by name, domain and path.
func (j *cookieJar) set(name, value, path string, life time.Duration) {
	// Backstage once set its cookies with a Domain. Such a one would be sent beside ours, and could win.
	chunks := j.chunks(name)
	legacy := cookie{path: j.plain.sessionPath, domain: j.plain.domain, cookiePolicy: j.plain}
	j.write(name, legacy)
	for i := range chunks {
		j.write(chunkName(name, i), legacy)
	}
	for i := range chunks {
		j.write(chunkName(name, i), cookie{path: j.plain.sessionPath, cookiePolicy: j.plain})
	}
	fresh := cookie{path: path, life: life, cookiePolicy: j.policy}
	// Browsers drop a cookie of more than 4096 bytes with its name and attributes, without a word.
	if len(value) <= maxCookie {
		fresh.value = value
		j.write(name, fresh)
		return
	}
	if j.sent[name] != "" {
		j.write(name, cookie{path: j.plain.sessionPath, cookiePolicy: j.plain})
	}
	for i := 0; len(value) > 0; i++ {
		size := min(len(value), maxCookie)
		fresh.value, value = value[:size], value[size:]
		j.write(chunkName(name, i), fresh)
	}
}

// clear empties a cookie and its chunks, as far as they were sent.
func (j *cookieJar) clear(name, path string) {
	// Nothing is cleared that was not sent: no Set-Cookie without a reason, as in Backstage.
	gone := cookie{path: path, cookiePolicy: j.policy}
	if j.sent[name] != "" {
		j.write(name, gone)
	}
	for i := range j.chunks(name) {
		j.write(chunkName(name, i), gone)
	}
}

// cookie is all of a Set-Cookie line but its name.
type cookie struct {
	cookiePolicy
	value    string
	path     string
	domain   string
	life     time.Duration // 0 empties the cookie
	noMaxAge bool          // Expires alone says when the cookie ends
}

// write adds a Set-Cookie line, its attributes in the order in which express writes them.
func (j *cookieJar) write(name string, c cookie) {
	var b strings.Builder
	b.WriteString(name + "=" + js.EncodeURIComponent(c.value))
	if !c.noMaxAge {
		b.WriteString("; Max-Age=" + strconv.FormatInt(int64(c.life/time.Second), 10))
	}
	if c.domain != "" {
		b.WriteString("; Domain=" + c.domain)
	}
	b.WriteString("; Path=" + c.path + "; Expires=" + time.Now().Add(c.life).UTC().Format(http.TimeFormat) + "; HttpOnly")
	if c.secure {
		b.WriteString("; Secure")
	}
	b.WriteString("; SameSite=" + c.sameSite)
	j.header.Add("Set-Cookie", b.String())
}

// chunkName is the name of one piece of a long cookie.
func chunkName(name string, i int) string { return name + "-" + strconv.Itoa(i) }
