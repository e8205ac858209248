package appconfig

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// rootDir is where default files are looked for when the program does not say: Backstage's targetRoot, which is the
// nearest folder, from the working directory upwards, whose package.json has workspaces. So a host that is started
// in packages/backend of a Backstage repository finds the files at its top. Elsewhere it is the working directory.
func rootDir() (string, error) {
	working, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := working; ; dir = filepath.Dir(dir) {
		var manifest struct{ Workspaces json.RawMessage }
		text, err := os.ReadFile(filepath.Join(dir, "package.json"))
		if err == nil && json.Unmarshal(text, &manifest) == nil && truthy(manifest.Workspaces) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return working, nil
		}
	}
}

// truthy tells whether JavaScript's Boolean(value) is true.
func truthy(value json.RawMessage) bool {
	switch string(value) {
	case "", "null", "false", "0", `""`:
		return false
	}
	return true
}
