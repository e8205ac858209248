package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/coder/sandbox"
)

// recorded is a command of backstage-cli with what came of it.
type recorded struct {
	Config                string
	Args                  []string
	Stdout, Stderr, Error string
}

// With the schemas of the whole app, config:check and config:print answer as backstage-cli does in its repository, also in the presence
// of this program's own schemas. testdata/wholeapp/record.mjs made the recordings.
func TestCommandsAnswerAsBackstageWithItsSchemas(t *testing.T) {
	t.Parallel()
	replay(t, filepath.Join("testdata", "wholeapp"))
}

// replay runs the commands in the recordings of a folder.
func replay(t *testing.T, dir string) {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	count, more := 0, 0
	for ; lines.Scan(); count++ {
		var want recorded
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		got := recorded{Config: want.Config, Args: want.Args}
		path := filepath.Join(t.TempDir(), "case.yaml")
		if err := os.WriteFile(path, []byte(want.Config), 0o600); err != nil {
			t.Fatal(err)
		}
		got.Stdout, got.Stderr, got.Error = command(append(want.Args, "--config", path, "--schema", filepath.Join(dir, "schema.json")))
		want.Stdout = hidden(want.Stdout, got.Stdout, &more)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("case %d, %s (-backstage-cli +ours):\n%s", count, strings.Join(want.Args, " "), diff)
		}
	}
	if err := lines.Err(); err != nil || count == 0 || more > count/20 {
		t.Errorf("%d cases, %d values masked that no schema declares: %v", count, more, err)
	}
}

// hidden returns text with the values masked that are masked in other: a key that no schema declares may look secret. It counts them.
func hidden(text, other string, more *int) string {
	lines, others := strings.Split(text, "\n"), strings.Split(other, "\n")
	for i, line := range lines {
		if key, _, ok := strings.Cut(line, ": "); ok && i < len(others) && line != others[i] && strings.HasPrefix(others[i], key+`: "<secret>"`) {
			lines[i] = others[i]
			*more++
		}
	}
	return strings.Join(lines, "\n")
}

// command runs a command on the configuration as the program has it.
func command(args []string) (stdout, stderr, failure string) {
	o := host.Options{Plugins: []plugin.Plugin{coder.Plugin()}, Extensions: []plugin.Extension{sandbox.Extension()}}
	root := &cobra.Command{SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringArray("config", nil, "")
	root.AddCommand(configCommands(o.Schemas(), o.Plugins...)...)
	var out, err bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&err)
	root.SetArgs(args)
	if e := root.Execute(); e != nil {
		failure = e.Error()
	}
	return out.String(), err.String(), failure
}
