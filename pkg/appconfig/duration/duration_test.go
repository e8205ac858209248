package duration_test

import (
	"testing"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/duration"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

func TestRead(t *testing.T) {
	const day, wrong = 24 * time.Hour, -1
	for text, want := range map[string]time.Duration{
		"{hours: 24}": day, "{days: 1, minutes: 30}": day + 30*time.Minute, "{years: 1}": 365 * day,
		"{seconds: '1.5', milliseconds: 5}": 1505 * time.Millisecond,
		"P1D":                               day, "PT1H30M": 90 * time.Minute, "P1Y2M": 425 * day,
		"'1.5h'": 90 * time.Minute, "10 minutes": 10 * time.Minute, "500ms": 500 * time.Millisecond, "7 millisecond": 7 * time.Millisecond,
		"2 Weeks": 14 * day, "1y": 8766 * time.Hour, "null": 0,
		"P": wrong, "5": wrong, "soon": wrong, "{}": wrong, "{hours: x}": wrong, "{fortnights: 1}": wrong, "[1]": wrong,
		"'-1h'": wrong, "{hours: -1}": wrong, "1000y": wrong, "P1.1.1D": wrong,
	} {
		data, err := yaml.Parse([]byte("a: " + text))
		if err != nil {
			t.Fatal(err)
		}
		config := appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: data.(*value.Object)})
		got, err := duration.Read(config, "a")
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
