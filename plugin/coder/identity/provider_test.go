package identity

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/memo"
	"github.com/understudy-host/understudy/pkg/seal"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// offline returns a relay without a listener: its handler is called directly, with fake time if the test wants that.
func offline(t *testing.T, kept *memo.Store, change func(*Options)) (*Relay, func() string) {
	t.Helper()
	o := options("http://node.invalid")
	if change != nil {
		change(o)
	}
	g := newGeneration(t, kept)
	ring, err1 := seal.New(purpose, o.Keys...)
	known, err2 := memo.Of(kept, "used identity handles", func() used { return make(used) })
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	r := &Relay{options: o, log: g.Logger, ring: ring, used: known, slots: upstream.NewSlots(o.MaxCalls)}
	return r, func() string { // the reason in the last line of the log
		all := g.logs.All()
		if len(all) == 0 {
			return ""
		}
		reason, _ := all[len(all)-1].ContextMap()["reason"].(string)
		return reason
	}
}

func TestHandleGivesTheProfileOnce(t *testing.T) {
	r, _ := offline(t, nil, nil)
	sealed := r.mustSeal(t, "development")
	status, token, answer := exchange(r, clientID, sealed)
	if status != 200 || strings.Contains(answer, "refresh_token") {
		t.Fatalf("status %d: %s", status, answer)
	}
	status, answer = read(r, token)
	const want = `{"id":"1","username":"wren","name":"Wren Tester","email":"wren@example.com","avatar_url":"https://x.example/a.png"}`
	if status != 200 || strings.TrimSpace(answer) != want {
		t.Errorf("profile: status %d: %s", status, answer)
	}
}

// TestHandleIsRefused has each way in which a handle can be wrong, with the reason for the log.
func TestHandleIsRefused(t *testing.T) {
	tests := map[string]struct {
		handle func(r *Relay, good string) string
		client string
		reason string
	}{
		"none":             {func(*Relay, string) string { return "" }, clientID, seal.ErrInvalid.Error()},
		"forged":           {func(*Relay, string) string { return base64.RawURLEncoding.EncodeToString(make([]byte, 200)) }, clientID, seal.ErrUnknownKey.Error()},
		"changed":          {func(_ *Relay, good string) string { return good[:20] + string(good[20]^1) + good[21:] }, clientID, seal.ErrInvalid.Error()},
		"cut off":          {func(_ *Relay, good string) string { return good[:len(good)-4] }, clientID, seal.ErrInvalid.Error()},
		"too long":         {func(_ *Relay, good string) string { return strings.Repeat(good, 100) }, clientID, seal.ErrInvalid.Error()},
		"foreign env":      {func(_ *Relay, good string) string { return good }, "backstage-staging", "it is for another environment, or the Node backend has another clientId for this one"},
		"unknown env":      {func(r *Relay, _ string) string { s, _ := r.seal(handle, "gone", wren); return s }, clientID, "it is for another environment, or the Node backend has another clientId for this one"},
		"unknown, no id":   {func(r *Relay, _ string) string { s, _ := r.seal(handle, "gone", wren); return s }, "", "it is for another environment, or the Node backend has another clientId for this one"},
		"an access token":  {func(r *Relay, _ string) string { s, _ := r.seal(accessToken, "development", wren); return s }, clientID, seal.ErrInvalid.Error()},
		"replayed":         {func(r *Relay, good string) string { exchange(r, clientID, good); return good }, clientID, errUsed.Error()},
		"late":             {func(_ *Relay, good string) string { time.Sleep(ticketLife); return good }, clientID, errExpired.Error()},
		"from the future":  {func(r *Relay, _ string) string { return future(r, ticketLife+maxSkew+time.Second) }, clientID, errFuture.Error()},
		"a browser's flow": {func(r *Relay, _ string) string { return browsers(r, "coder-state-0123456789abcdef") }, clientID, seal.ErrUnknownKey.Error()},
		"a browser's, with this label": {
			func(r *Relay, _ string) string { return browsers(r, string(handle)) }, clientID, seal.ErrUnknownKey.Error(),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, reason := offline(t, nil, nil)
				bad := test.handle(r, r.mustSeal(t, "development"))
				status, token, answer := exchange(r, test.client, bad)
				if status != 400 || token != "" || strings.TrimSpace(answer) != `{"error":"invalid_grant"}` || reason() != test.reason {
					t.Errorf("status %d: %s, reason %q, want %q", status, answer, reason(), test.reason)
				}
			})
		})
	}
}

// future makes a handle that expires in d.
func future(r *Relay, d time.Duration) string {
	text, _ := json.Marshal(ticket{"id", "development", time.Now().Add(d).UnixMilli(), wren})
	return r.ring.Seal(text, string(handle))
}

// browsers seals a good ticket as a cookie of the Coder plugin is sealed, with the same keys.
func browsers(r *Relay, context string) string {
	ring, _ := seal.New("coder sign-in", r.options.Keys...)
	text, _ := json.Marshal(ticket{"id", "development", time.Now().Add(time.Second).UnixMilli(), wren})
	return ring.Seal(text, context)
}

func TestHandleWorksUntilItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := offline(t, nil, nil)
		sealed := r.mustSeal(t, "development")
		time.Sleep(ticketLife - time.Millisecond)
		status, token, _ := exchange(r, clientID, sealed)
		if status != 200 {
			t.Fatalf("status %d", status)
		}
		time.Sleep(ticketLife)
		if status, _ := read(r, token); status != 401 {
			t.Errorf("an access token whose time is over: status %d", status)
		}
	})
}

func TestAnswersAreNotStored(t *testing.T) {
	r, _ := offline(t, nil, nil)
	for _, path := range []string{tokenPath, profilePath, "/"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest("POST", path, nil))
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
}

func TestProfileIsReadOnce(t *testing.T) {
	r, reason := offline(t, nil, nil)
	sealed := r.mustSeal(t, "development")
	_, token, _ := exchange(r, clientID, sealed)
	if status, _ := read(r, token); status != 200 {
		t.Fatalf("status %d", status)
	}
	if status, answer := read(r, token); status != 401 || strings.TrimSpace(answer) != `{"error":"invalid_token"}` || reason() != errUsed.Error() {
		t.Errorf("a second read: status %d: %s, reason %q", status, answer, reason())
	}
	for name, bad := range map[string]string{"none": "", "a handle": r.mustSeal(t, "development"), "forged": "x"} {
		if status, answer := read(r, bad); status != 401 || strings.Contains(answer, "wren") {
			t.Errorf("%s: status %d: %s", name, status, answer)
		}
	}
	if status, _ := request(r, "GET", profilePath, ""); status != 401 {
		t.Errorf("without a token: status %d", status)
	}
}

func TestOneOfManyAtOnceGetsATokenAndAProfile(t *testing.T) {
	r, _ := offline(t, memo.New(new(memo.Memory), nil), nil)
	sealed := r.mustSeal(t, "development")
	var exchanged, reads atomic.Int64
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			status, token, _ := exchange(r, clientID, sealed)
			if status != 200 {
				return
			}
			exchanged.Add(1)
			for range 50 {
				group.Go(func() {
					if status, _ := read(r, token); status == 200 {
						reads.Add(1)
					}
				})
			}
		})
	}
	group.Wait()
	if exchanged.Load() != 1 || reads.Load() != 1 {
		t.Errorf("%d exchanges and %d reads, want one of each", exchanged.Load(), reads.Load())
	}
}

func TestClientHasToProveItself(t *testing.T) {
	tests := map[string]struct {
		form, headers []string
		status        int
		code          string
	}{
		"in the form":       {[]string{"client_id", clientID, "client_secret", secret}, nil, 200, ""},
		"wrong secret":      {[]string{"client_id", clientID, "client_secret", secret + "x"}, nil, 401, "invalid_client"},
		"wrong case":        {[]string{"client_id", clientID, "client_secret", strings.ToUpper(secret)}, nil, 401, "invalid_client"},
		"no secret":         {[]string{"client_id", clientID}, nil, 401, "invalid_client"},
		"wrong id":          {[]string{"client_id", "other", "client_secret", secret}, nil, 400, "invalid_grant"},
		"no id":             {[]string{"client_secret", secret}, nil, 400, "invalid_grant"},
		"nothing":           {nil, nil, 401, "invalid_client"},
		"basic":             {nil, []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(clientID+":"+secret))}, 401, "invalid_client"},
		"bearer":            {nil, []string{"Authorization", "Bearer " + secret}, 401, "invalid_client"},
		"a wrong one first": {[]string{"client_id", clientID, "client_secret", "x", "client_secret", secret}, nil, 401, "invalid_client"},
	}
	for name, test := range tests {
		r, reason := offline(t, nil, nil)
		sealed := r.mustSeal(t, "development")
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {sealed}}
		for i := 0; i < len(test.form); i += 2 {
			form.Add(test.form[i], test.form[i+1])
		}
		status, answer := request(r, "POST", tokenPath, form.Encode(), append(test.headers, "Content-Type", formType)...)
		if status != test.status || test.code != "" && strings.TrimSpace(answer) != `{"error":"`+test.code+`"}` {
			t.Errorf("%s: status %d: %s", name, status, answer)
		}
		if status == 200 {
			continue
		}
		if reason() == "" || strings.Contains(reason(), secret) {
			t.Errorf("%s: reason %q", name, reason())
		}
		if status, _, _ := exchange(r, clientID, sealed); status != 200 { // a stranger must not use handles up
			t.Errorf("%s: the handle is spent: status %d", name, status)
		}
	}
}

func TestListenerRefusesAllElse(t *testing.T) {
	r, reason := offline(t, nil, nil)
	good := url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "client_secret": {secret}, "refresh_token": {r.mustSeal(t, "development")}}.Encode()
	tests := []struct {
		method, target, body string
		headers              []string
		status               int
	}{
		{"GET", tokenPath, "", nil, 404},
		{"PUT", tokenPath, good, []string{"Content-Type", formType}, 404},
		{"POST", tokenPath + "/", good, []string{"Content-Type", formType}, 404},
		{"POST", tokenPath + "?a=b", good, []string{"Content-Type", formType}, 404},
		{"POST", "/oauth2%2ftokens", good, []string{"Content-Type", formType}, 404},
		{"POST", "//oauth2/tokens", good, []string{"Content-Type", formType}, 404},
		{"POST", profilePath, "", nil, 404},
		{"HEAD", profilePath, "", nil, 404},
		{"GET", "/api/v2/users/me/", "", nil, 404},
		{"GET", "/api/v2/users/wren", "", nil, 404},
		{"GET", "/oauth2/authorize", "", nil, 404},
		{"POST", "/oauth2/revoke", "", nil, 404},
		{"GET", "/", "", nil, 404},
		{"POST", tokenPath, good, nil, 401},
		{"POST", tokenPath, good, []string{"Content-Type", "application/json"}, 401},
		{"POST", tokenPath, "%zz", []string{"Content-Type", formType}, 400},
		{"POST", tokenPath, good + "&padding=" + strings.Repeat("x", maxBody), []string{"Content-Type", formType}, 400},
		{"POST", tokenPath, strings.Replace(good, "grant_type=refresh_token", "grant_type=authorization_code", 1), []string{"Content-Type", formType}, 400},
		{"POST", tokenPath, strings.Replace(good, "grant_type=refresh_token", "grant_type=client_credentials", 1), []string{"Content-Type", formType}, 400},
		{"POST", tokenPath, strings.Replace(good, "grant_type=refresh_token", "", 1), []string{"Content-Type", formType}, 400},
	}
	for _, test := range tests {
		status, answer := request(r, test.method, test.target, test.body, test.headers...)
		var got map[string]string
		if err := json.Unmarshal([]byte(answer), &got); err != nil || status != test.status || len(got) != 1 || got["error"] == "" || reason() == "" {
			t.Errorf("%s %s: status %d: %s, reason %q", test.method, test.target, status, answer, reason())
		}
	}
	if status, _ := request(r, "POST", tokenPath, good, "Content-Type", formType+"; charset=utf-8"); status != 200 {
		t.Errorf("the good one afterwards: status %d", status)
	}
}

func TestReplicasWithTheSameKeysShareHandles(t *testing.T) {
	one, _ := offline(t, nil, nil)
	same, _ := offline(t, nil, nil)
	rotated, _ := offline(t, nil, func(o *Options) { o.Keys = append([][]byte{[]byte("fedcba9876543210fedcba9876543210")}, o.Keys...) })
	other, reason := offline(t, nil, func(o *Options) { o.Keys = [][]byte{[]byte("fedcba9876543210fedcba9876543210")} })
	for name, replica := range map[string]*Relay{"same": same, "rotated": rotated} {
		if status, _, answer := exchange(replica, clientID, one.mustSeal(t, "development")); status != 200 {
			t.Errorf("%s keys: status %d: %s", name, status, answer)
		}
	}
	if status, _, _ := exchange(other, clientID, one.mustSeal(t, "development")); status != 400 || reason() != seal.ErrUnknownKey.Error() {
		t.Errorf("other keys: status %d, reason %q", status, reason())
	}
}

func TestUsedHandlesOutliveAReload(t *testing.T) {
	kept := memo.New(new(memo.Memory), nil)
	before, _ := offline(t, kept, nil)
	sealed := before.mustSeal(t, "development")
	if status, _, _ := exchange(before, clientID, sealed); status != 200 {
		t.Fatalf("status %d", status)
	}
	after, _ := offline(t, kept, nil)
	if status, _, _ := exchange(after, clientID, sealed); status != 400 {
		t.Errorf("after a reload: status %d", status)
	}
}

func TestUsedHandlesAreKeptAsLongAsTheyCouldBeValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := offline(t, nil, nil)
		for range 100 {
			for range 100 {
				exchange(r, clientID, r.mustSeal(t, "development"))
			}
			last := r.mustSeal(t, "development")
			opened, err := r.open(handle, last)
			if err != nil || r.spend(opened) != nil {
				t.Fatal(err)
			}
			time.Sleep(ticketLife + maxSkew)
			if err := r.spend(opened); !errors.Is(err, errUsed) {
				t.Fatalf("a used handle is forgotten: %v", err)
			}
			time.Sleep(time.Minute)
		}
		r.used.Do(func(u *used) {
			if n := len(*u); n > 300 {
				t.Errorf("%d used handles are remembered", n)
			}
		})
	})
}

func TestHandlesFitIntoAHeader(t *testing.T) {
	r, _ := offline(t, nil, nil)
	profile := wren
	profile.AvatarURL = "data:image/png;base64," + strings.Repeat("A", 100<<10)
	sealed, err := r.seal(handle, "development", profile)
	if err != nil || len(sealed) > maxTicket {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	_, token, _ := exchange(r, clientID, sealed)
	_, answer := read(r, token)
	var got upstream.Profile
	profile.AvatarURL = ""
	if err := json.Unmarshal([]byte(answer), &got); err != nil || !cmp.Equal(got, profile) {
		t.Errorf("%s", cmp.Diff(got, profile))
	}
	profile.Name = strings.Repeat("x", 10<<10)
	if _, err := r.seal(handle, "development", profile); !errors.Is(err, errProfile) {
		t.Errorf("a long name: %v", err)
	}
}

func TestOwnsKnowsHandles(t *testing.T) {
	r, _ := offline(t, nil, nil)
	token, _ := r.seal(accessToken, "development", wren)
	got := []bool{r.Owns(r.mustSeal(t, "development")), r.Owns(token), r.Owns("x"), r.Owns(browsers(r, "handle")), (*Relay)(nil).Owns(token)}
	if want := []bool{true, false, false, false, false}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
