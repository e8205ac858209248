package appconfig_test

import (
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

func TestLiveFollowsTheSnapshotInUse(t *testing.T) {
	snapshot := func(yaml string) *appconfig.Config {
		t.Helper()
		data, err := appconfig.ParseYAML([]byte(yaml))
		if err != nil {
			t.Fatal(err)
		}
		return appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: data.(*appconfig.Object)})
	}
	live := appconfig.NewLive(snapshot("other: 1"))
	above, err := live.Part("a")
	if err != nil {
		t.Fatal(err)
	}
	part, err := above.Part("b")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := part.Optional(); ok || err != nil {
		t.Errorf("a part that is missing: %v, %v", ok, err)
	}
	if _, err := part.Required(); err == nil || err.Error() != "Missing required config value at 'a' in 'app-config.yaml'" {
		t.Errorf("a part that must be there: %v", err)
	}
	live.Set(snapshot("a: {b: {c: text}}"))
	config, err := part.Required()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := config.GetString("c"); text != "text" || err != nil {
		t.Errorf("after the change: %q, %v", text, err)
	}
}
