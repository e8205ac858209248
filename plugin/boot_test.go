package plugin_test

import (
	"testing"

	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

func TestBootPolicyIsReadAsBackstageDoes(t *testing.T) {
	for name, test := range map[string]struct {
		config string // below backend.startup
		want   bool   // plugin x may fail; an error is expected otherwise than by nil
		err    string
	}{
		"nothing":                {"{}", false, ""},
		"all":                    {"{default: {onPluginBootFailure: continue}}", true, ""},
		"this one":               {"{plugins: {x: {onPluginBootFailure: continue}}}", true, ""},
		"another one":            {"{plugins: {y: {onPluginBootFailure: continue}}}", false, ""},
		"all but this one":       {"{default: {onPluginBootFailure: continue}, plugins: {x: {onPluginBootFailure: abort}}}", false, ""},
		"all, a plugin is empty": {"{default: {onPluginBootFailure: continue}, plugins: {x: {}, y: ~}}", true, ""},
		"a typo":                 {"{default: {onPluginBootFailure: contineu}}", false, ""},
		"its modules":            {"{default: {onPluginModuleBootFailure: continue}, plugins: {x: {modules: {m: {onPluginModuleBootFailure: continue}}}}}", false, ""},
		"a number": {
			"{plugins: {x: {onPluginBootFailure: 1}}}", false,
			"Invalid type in config for key 'backend.startup.plugins.x.onPluginBootFailure' in 'app-config.yaml', got number, wanted string",
		},
		"no section": {"{plugins: {x: text}}", false, "Invalid type in config for key 'backend.startup.plugins.x' in 'app-config.yaml', got string, wanted object"},
	} {
		policy, err := plugin.ReadBootPolicy(plugintest.Config(t, "backend: {startup: "+test.config+"}"))
		if (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%s: error %v", name, err)
		} else if got := policy.Permits("x"); err == nil && got != test.want {
			t.Errorf("%s: the plugin may fail: %v", name, got)
		}
	}
}
