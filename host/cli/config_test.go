package cli

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/coder/sandbox"
)

// TestMain gives scripts two programs: understudy, and config, which has its config commands alone and takes
// the schema from the file schema.json.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"understudy": func() { os.Exit(understudy()) },
		"config":     func() { os.Exit(runConfig(os.Args[1:])) },
	})
}

// leakChecked fails tests that leave goroutines behind.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// understudy is the same program as host/understudy.
func understudy() int {
	return Program{
		Name: "understudy", Plugins: []plugin.Plugin{coder.Plugin()}, Extensions: []plugin.Extension{sandbox.Extension()},
	}.Main()
}

func runConfig(args []string) int {
	text, err := os.ReadFile("schema.json")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	root := &cobra.Command{Use: "config", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringArray("config", nil, "")
	root.AddCommand(configCommands([]schema.Source{{PackageName: "root", Path: "schema.json", Value: text}})...)
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestConfigScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector would have each program wait for a second
			env.Setenv("ODD", "a\u202eb\u009b31m\x1b[31m")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sameyaml": sameYAML,
		},
		RequireExplicitExec: true,
	})
}

// sameYAML compares two files, or the output of a program, as YAML documents.
func sameYAML(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sameyaml file file")
	}
	got, err := yaml.Parse([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	want, err := yaml.Parse([]byte(ts.ReadFile(args[1])))
	ts.Check(err)
	if !value.Equal(got, want) {
		ts.Fatalf("got\n%s\nwant\n%s", value.FormatJSON(got), value.FormatJSON(want))
	}
}
