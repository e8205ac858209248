package change_test

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/host/change"
)

// The worst outcome gives a line its level and its words. TestOneLineSaysWhatAReloadHasPutIntoUse in host has whole
// lines.
func TestLineHasTheWordsOfTheWorstOutcome(t *testing.T) {
	server := change.Part{Name: "server", Keys: []string{"backend.csp"}}
	for name, test := range map[string]struct {
		report change.Report
		want   string // level, message and unused parts
	}{
		"all in use":          {change.Report{Changed: server.Keys, Parts: []change.Part{server}}, "info the changed config is in use []"},
		"nothing has changed": {change.Report{}, "info the changed config is in use []"},
		"nobody reads it":     {change.Report{Changed: []string{"x"}, Parts: []change.Part{{Name: "server"}}}, "info the changed config has no effect here"},
		"made anew":           {change.Report{Changed: []string{"x"}, Parts: []change.Part{{Name: "plugin", Keys: []string{""}}}}, "info the changed config is in use []"},
		"with a warning":      {change.Report{Changed: server.Keys, Parts: []change.Part{server}, Warnings: []string{"w"}}, "warn the changed config is in use []"},
		"hidden":              {change.Report{Hidden: []string{"a"}}, "warn a part of the changed config is not used: this host has set it itself [a: this"},
		"hidden, restart":     {change.Report{Hidden: []string{"a"}, Restart: []string{"b"}}, "warn a part of the changed config is not used: restart the host to put it into use [b: restart the host to put it into use a: this"},
		"all, and refused": {
			change.Report{Hidden: []string{"a"}, Restart: []string{"b"}, Parts: []change.Part{{Name: "plugin x", Err: errors.New("no")}, server}},
			"error a part of the changed config is not used: it has an error [plugin x: it has an error b: restart the host to put it into use a: this",
		},
		"a part of a section": {
			change.Report{Restart: []string{"backend.listen"}, Parts: []change.Part{{Name: "start", Keys: []string{"backend.listen.port"}}}},
			"warn a part of the changed config is not used: restart the host to put it into use [backend.listen: restart the host to put it into use] []",
		},
	} {
		core, logs := observer.New(zap.InfoLevel)
		test.report.Log(zap.New(core))
		if logs.Len() != 1 {
			t.Errorf("%s: %d lines, want 1", name, logs.Len())
			continue
		}
		line := logs.All()[0]
		fields := line.ContextMap()
		got := line.Level.String() + " " + line.Message + " " + text(fields["notInUse"]) + " " + text(fields["inUse"])
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func text(list any) string {
	var words []string
	items, _ := list.([]any)
	for _, item := range items {
		words = append(words, item.(string))
	}
	return "[" + strings.Join(words, " ") + "]"
}

func TestNamesThatOnlyBeginAlikeAreNotInASection(t *testing.T) {
	got := change.Under([]string{"backend.listen", "backend.listen.port", "backend.listening", "listen", "backend"}, "backend.listen")
	if strings.Join(got, " ") != "backend.listen backend.listen.port" {
		t.Errorf("got %q", got)
	}
}
