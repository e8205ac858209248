package appconfig_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

func TestDefaultFilesAreThoseOfTheProjectsRoot(t *testing.T) {
	for _, c := range []struct{ name, manifest, want string }{
		{"a workspace above", `{"workspaces": {"packages": ["packages/*"]}}`, "root"},
		{"a package above that is no workspace", `{"name": "app"}`, "working directory"},
		{"a broken package.json", `{`, "working directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			working := filepath.Join(root, "packages", "backend")
			if err := os.MkdirAll(working, 0o755); err != nil {
				t.Fatal(err)
			}
			for path, text := range map[string]string{
				filepath.Join(root, "package.json"):       c.manifest,
				filepath.Join(root, "app-config.yaml"):    "from: root",
				filepath.Join(working, "package.json"):    `{"name": "backend", "workspaces": false}`,
				filepath.Join(working, "app-config.yaml"): "from: working directory",
			} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Chdir(working)
			config, err := appconfig.Load(context.Background(), appconfig.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := config.GetString("from"); got != c.want || err != nil {
				t.Errorf("loaded from %q (%v), want %q", got, err, c.want)
			}
		})
	}
}
