package coder

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/express"
)

// Names and sizes of Backstage's OAuthCookieManager.
const (
	nonceCookie   = "coder-nonce"
	refreshCookie = "coder-refresh-token"
	maxCookie     = 4000 // characters; longer values are cut into "-0", "-1", …
)

// cookiePolicy says where cookies belong and how they are protected, for one app origin.
type cookiePolicy struct {
	domain      string // host name of the callback, to remove cookies that Backstage once set with a Domain
	sessionPath string // of the refresh token
	noncePath   string
	statePath   string
	secure      bool
	sameSite    http.SameSite
}

// policy follows Backstage's defaultCookieConfigurer. It differs if the callbackUrl does not end in
// coder/handler/frame: cookies on Backstage's paths would then never be sent back. The nonce and the state
// belong to the callback, the refresh token to the mount, whose refresh and logout routes need it.
func (app *application) policy(mount, appOrigin string) cookiePolicy {
	callback, _ := url.Parse(app.CallbackURL) // checked by readSettings
	from, _ := url.Parse(appOrigin)
	at, _ := url.Parse(mount)
	p := cookiePolicy{
		domain: callback.Hostname(), secure: callback.Scheme == "https", sameSite: http.SameSiteLaxMode,
		sessionPath: at.Path, statePath: callback.Path, noncePath: callback.Path,
	}
	if base, ok := strings.CutSuffix(callback.Path, framePath); ok && strings.HasSuffix(base, "coder") {
		p.sessionPath, p.statePath, p.noncePath = base, base, base+"/handler"
	} else if strings.HasPrefix(callback.Path, at.Path+"/") {
		p.statePath = at.Path
	}
	if p.secure && from != nil && !strings.EqualFold(from.Hostname(), callback.Hostname()) {
		p.sameSite = http.SameSiteNoneMode
	}
	return p
}

// cookie returns a cookie with the attributes of the policy. A life of 0 removes the cookie.
func (p cookiePolicy) cookie(name, value, path string, life time.Duration) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure follows the scheme of the callback
		Name: name, Value: value, Path: path, MaxAge: cmp.Or(int(life/time.Second), -1), Expires: time.Now().Add(life),
		HttpOnly: true, Secure: p.secure, SameSite: p.sameSite,
	}
}

// cookies are the cookies of a request, by name, each with all values that were sent. Browsers send several for one
// name if a parent domain or another path has one too; the longest path comes first.
type cookies map[string][]string

// first returns the value of a cookie that Backstage reads, which is the first.
func (c cookies) first(name string) string {
	if len(c[name]) == 0 {
		return ""
	}
	return c[name][0]
}

// get returns the value of a cookie, which may have been sent in chunks.
func (c cookies) get(name string) string {
	var chunks []string
	for i := range c.chunks(name) {
		chunks = append(chunks, c.first(chunkName(name, i)))
	}
	return cmp.Or(strings.Join(chunks, ""), c.first(name))
}

// chunks returns the number of chunks of a cookie, up to the first gap.
func (c cookies) chunks(name string) int {
	n := 0
	for c.first(chunkName(name, n)) != "" {
		n++
	}
	return n
}

// maxSame is how many values of one cookie are looked at.
const maxSame = 8

// all returns every value that a cookie may have: those that were sent whole, and those that chunks give, of which two
// domains or paths may have different numbers. The one that get returns comes first.
func (c cookies) all(name string) (values []string) {
	values = append(values, c.get(name))
	values = append(values, c[name][:min(maxSame, len(c[name]))]...)
	for n := range min(maxSame, c.chunks(name)) {
		for nth := range maxSame {
			var value strings.Builder
			more := false
			for i := range n + 1 {
				sent := c[chunkName(name, i)]
				more = more || nth < len(sent)
				value.WriteString(sent[min(nth, len(sent)-1)])
			}
			if !more {
				break
			}
			values = append(values, value.String())
		}
	}
	return values
}

// hostPrefix makes browsers refuse a cookie of this name from anybody but this host, over https (RFC 6265bis, section
// 4.1.3.2). It wants the path to be "/".
const hostPrefix = "__Host-"

// own returns the name and the path of a cookie that Backstage does not have.
func (p cookiePolicy) own(name, path string) (prefixed, at string) {
	if p.secure {
		return hostPrefix + name, "/"
	}
	return name, path
}

// chunkName returns the name of a chunk of a long cookie.
func chunkName(name string, i int) string { return name + "-" + strconv.Itoa(i) }

// cookieJar reads the cookies of a request and writes those of its answer.
type cookieJar struct {
	cookies
	header http.Header  // of the answer
	policy cookiePolicy // for the origin of the app that this request is about
	plain  cookiePolicy // for app.baseUrl; Backstage removes most cookies with it
}

// jar returns the cookies of a request for a page at appOrigin; "" is the origin of app.baseUrl.
func (h *handler) jar(w http.ResponseWriter, r *request, app application, appOrigin string) *cookieJar {
	plain := app.policy(h.settings.mount, h.settings.appOrigin)
	j := &cookieJar{cookies: r.cookies, header: w.Header(), policy: plain, plain: plain}
	if appOrigin != "" {
		j.policy = app.policy(h.settings.mount, appOrigin)
	}
	return j
}

// set stores a value, in chunks if it is long, and removes what is in its way: the same cookie with a Domain,
// which browsers would send beside it, and the other form. The order is Backstage's.
func (j *cookieJar) set(name, value, path string, life time.Duration) {
	remove := func(name, domain string) {
		old := j.plain.cookie(name, "", j.plain.sessionPath, 0) //nolint:gosec // as in cookie
		old.Domain = domain
		express.SetCookie(j.header, old)
	}
	chunks := j.chunks(name)
	remove(name, j.plain.domain)
	for i := range chunks {
		remove(chunkName(name, i), j.plain.domain)
	}
	for i := range chunks {
		remove(chunkName(name, i), "")
	}
	if len(value) <= maxCookie {
		j.write(name, value, path, life)
		return
	}
	if j.first(name) != "" {
		remove(name, "")
	}
	for i := 0; len(value) > 0; i++ {
		size := min(len(value), maxCookie)
		j.write(chunkName(name, i), value[:size], path, life)
		value = value[size:]
	}
}

// clear removes a cookie and its chunks. As in Backstage, only what was sent is removed.
func (j *cookieJar) clear(name, path string) {
	if j.first(name) != "" {
		j.write(name, "", path, 0)
	}
	for i := range j.chunks(name) {
		j.write(chunkName(name, i), "", path, 0)
	}
}

// write adds one cookie to the answer. A life of 0 removes it.
func (j *cookieJar) write(name, value, path string, life time.Duration) {
	express.SetCookie(j.header, j.policy.cookie(name, value, path, life))
}
