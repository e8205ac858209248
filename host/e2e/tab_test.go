//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for a page.
const patience = time.Minute

// profile is a browser profile. Each test has one, so that it does not see the cookies of others.
type profile struct {
	t   *testing.T
	ctx context.Context
}

func newProfile(t *testing.T) *profile {
	t.Helper()
	if chromium.missing != "" {
		unable(t, chromium.missing)
	}
	ctx, dispose := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(dispose)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("new browser profile: %v", err)
	}
	return &profile{t: t, ctx: ctx}
}

// open opens url in a new tab.
func (p *profile) open(url string) *tab {
	p.t.Helper()
	tb := p.attach()
	tb.load(url)
	return tb
}

func (p *profile) attach(options ...chromedp.ContextOption) *tab {
	p.t.Helper()
	tb := &tab{t: p.t, profile: p}
	ctx, detach := chromedp.NewContext(p.ctx, append(options, chromedp.WithListener(tb.listen))...)
	p.t.Cleanup(detach)
	tb.ctx = ctx
	err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, audits.Enable, cdp.Empty{})
		return err
	}))
	if err != nil {
		p.t.Fatalf("attach to a tab: %v", err)
	}
	return tb
}

// tab is a page or a popup. It collects the browser's complaints.
type tab struct {
	t       *testing.T
	profile *profile
	ctx     context.Context
	popups  []target.ID // those that popup has already returned

	mu       sync.Mutex
	problems []string
	sent     []string // the paths of all requests
}

// listen collects console errors, exceptions, and what Chromium itself reports: failed and blocked requests, violations
// of a content security policy, refused messages and cookies.
func (tb *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		tb.problem("exception: %s (%s)", text, pathOf(e.ExceptionDetails.URL))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var words []string
			for _, arg := range e.Args {
				words = append(words, string(arg.Value)+arg.Description)
			}
			tb.problem("console %s: %s", e.Type, strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			tb.problem("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, pathOf(e.Entry.URL))
		}
	case *audits.EventIssueAdded:
		details, _ := json.Marshal(e.Issue.Details)
		tb.problem("issue %s: %s", e.Issue.Code, details)
	case *network.EventRequestWillBeSent:
		tb.mu.Lock()
		defer tb.mu.Unlock()
		tb.sent = append(tb.sent, pathOf(e.Request.URL))
	case *network.EventLoadingFailed:
		if e.BlockedReason != "" {
			tb.problem("request blocked: %s", e.BlockedReason)
		}
	}
}

func (tb *tab) problem(format string, args ...any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.problems = append(tb.problems, fmt.Sprintf(format, args...))
}

// requests returns the number of requests that the page has sent to paths with a suffix.
func (tb *tab) requests(end string) (n int) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, path := range tb.sent {
		if strings.HasSuffix(path, end) {
			n++
		}
	}
	return n
}

// clean fails the test for each problem that contains none of the allowed strings.
func (tb *tab) clean(allowed ...string) {
	tb.t.Helper()
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, problem := range tb.problems {
		if !slices.ContainsFunc(allowed, func(text string) bool { return strings.Contains(problem, text) }) {
			tb.t.Errorf("the browser complains: %s", problem)
		}
	}
}

func (tb *tab) load(url string) {
	tb.t.Helper()
	tb.do(chromedp.Navigate(url))
}

func (tb *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tb.t.Fatalf("%v\n%s", err, tb.describe())
	}
}

// click waits until an element is visible and enabled, and presses it with the mouse. That may close the page.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	css := chromedp.CSS(selector)
	err := chromedp.Do(ctx, chromedp.WaitEnabled(css), chromedp.Click(css, chromedp.NodeVisible))
	if err != nil && !errors.Is(err, chromedp.ErrTargetDetached) {
		tb.t.Fatalf("click %s: %v\n%s", selector, err, tb.describe())
	}
}

// wait waits until a JavaScript expression is true, on this page or on one that the tab goes to.
func (tb *tab) wait(expression string) {
	tb.t.Helper()
	waitFor(tb.t, func() string { return expression + "\n" + tb.describe() }, func() bool { return tb.is(expression) })
}

// is reports whether a JavaScript expression is true now. It is not if the page is being loaded or closed.
func (tb *tab) is(expression string) bool {
	ctx, cancel := context.WithTimeout(tb.ctx, 5*time.Second)
	defer cancel()
	ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
	return ok && err == nil
}

// get evaluates a JavaScript expression, and waits if it is a promise.
func get[T any](tb *tab, expression string) T {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tb.t.Fatalf("evaluate %s: %v\n%s", expression, err, tb.describe())
	}
	return value
}

// text returns the text of an element as it is shown.
func (tb *tab) text(selector string) string {
	tb.t.Helper()
	quoted, _ := json.Marshal(selector)
	return get[string](tb, fmt.Sprintf("document.querySelector(%s)?.innerText ?? '(no such element)'", quoted))
}

// popup waits for the next window that the page opens.
func (tb *tab) popup() *tab {
	tb.t.Helper()
	var id target.ID
	waitFor(tb.t, func() string { return "a popup\n" + tb.describe() }, func() bool {
		ctx, cancel := context.WithTimeout(tb.ctx, patience)
		defer cancel()
		infos, err := chromedp.Targets(ctx)
		i := slices.IndexFunc(infos, func(info *target.Info) bool {
			return info.Type == "page" && info.OpenerID == chromedp.FromContext(tb.ctx).Target.TargetID && !slices.Contains(tb.popups, info.TargetID)
		})
		if i >= 0 {
			id = infos[i].TargetID
		}
		return err == nil && i >= 0
	})
	tb.popups = append(tb.popups, id)
	return tb.profile.attach(chromedp.WithTargetID(id))
}

// closed waits until the page has been closed.
func (tb *tab) closed() {
	tb.t.Helper()
	waitFor(tb.t, func() string { return "the window to close\n" + tb.describe() }, tb.gone)
}

func (tb *tab) gone() bool {
	detached, err := chromedp.Detached(tb.ctx)
	if err != nil {
		return true
	}
	select {
	case <-detached:
		return true
	default:
		return false
	}
}

// describe returns the page's URL, without the query and so without codes and states, and what the page shows.
func (tb *tab) describe() string {
	ctx, cancel := context.WithTimeout(tb.ctx, 2*time.Second)
	defer cancel()
	page, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.origin + location.pathname + '\n' + document.body.innerText`))
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if err != nil {
		page = "the page does not answer: " + err.Error()
	}
	return page + "\ncomplaints: " + strings.Join(tb.problems, "; ")
}

// waitFor polls a condition.
func waitFor(t *testing.T, what func() string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what())
		}
	}
}

func pathOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "?"
	}
	return u.Host + u.Path
}
