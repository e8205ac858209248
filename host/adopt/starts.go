package adopt

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// start is one way in which the app's Node backend is started.
type start struct {
	where  string   // "packages/backend/package.json, script start"
	layers []string // relative to the app's folder; none for Backstage's default files
}

// findStarts finds how the Node backend is started: in development first, then in production.
func (a *app) findStarts() {
	for _, folder := range []string{filepath.Join("packages", "backend"), "."} {
		name := filepath.Join(folder, "package.json")
		var manifest struct{ Scripts map[string]string }
		text, _ := os.ReadFile(filepath.Join(a.root, name)) //nolint:gosec // a file of the user's own app
		_ = json.Unmarshal(text, &manifest)                 // a script that cannot be read is one that is not found
		for _, script := range []string{"start", "dev", "start-backend", "start:backend"} {
			command := manifest.Scripts[script]
			if folder == "." && !strings.Contains(command, "--config") {
				continue // the app's own start, which starts the one of the backend
			}
			if command != "" {
				a.addStart(filepath.ToSlash(name)+", script "+script, folder, strings.Fields(command))
			}
		}
	}
	if len(a.starts) == 0 {
		a.addStart("no start script: Backstage's default", ".", nil)
	}
	for _, name := range []string{filepath.Join("packages", "backend", "Dockerfile"), "Dockerfile"} {
		file, err := os.Open(filepath.Join(a.root, name)) //nolint:gosec // a file of the user's own app
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if instruction, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " "); strings.EqualFold(instruction, "CMD") || strings.EqualFold(instruction, "ENTRYPOINT") {
				a.addStart(filepath.ToSlash(name), ".", dockerWords(rest))
			}
		}
		_ = file.Close()
	}
}

// dockerWords returns the words of a CMD in either of its forms.
func dockerWords(text string) (words []string) {
	if json.Unmarshal([]byte(text), &words) == nil {
		return words
	}
	return strings.Fields(text)
}

func (a *app) addStart(where, folder string, words []string) {
	for i := range words {
		words[i] = strings.Trim(words[i], `"'`)
	}
	targets, err := appconfig.TargetsFromArgs(slices.DeleteFunc(words, func(w string) bool { return w == "--" }))
	if err != nil {
		return
	}
	for i, target := range targets {
		if !strings.Contains(target, "://") && !filepath.IsAbs(target) {
			targets[i] = filepath.ToSlash(filepath.Join(folder, target))
		}
	}
	a.starts = append(a.starts, start{where, targets})
}

// defaults returns the files that a start without --config reads in development.
func (a *app) defaults() (names []string) {
	for _, name := range []string{"app-config.yaml", "app-config.local.yaml"} {
		if exists(filepath.Join(a.root, name)) {
			names = append(names, name)
		}
	}
	return names
}

// importLine matches a line of code that brings a package into the backend.
var importLine = regexp.MustCompile(`import|require`)

// findUses returns the lines of packages/backend that use what our plugins stand in for.
func (a *app) findUses() (uses []string) {
	var packages []string
	for _, p := range a.Plugins {
		packages = append(packages, p.Replaces...)
	}
	look := func(name string, wanted func(line string) bool) {
		file, err := os.Open(filepath.Join(a.root, name)) //nolint:gosec // a file of the user's own app
		if err != nil {
			return
		}
		defer func() { _ = file.Close() }()
		number := 0
		for lines := bufio.NewScanner(file); lines.Scan(); {
			number++
			if line := strings.TrimSpace(lines.Text()); wanted(line) {
				uses = append(uses, location(name, number)+": "+line)
			}
		}
	}
	named := func(line string) bool {
		return slices.ContainsFunc(packages, func(p string) bool { return strings.Contains(line, p+`"`) || strings.Contains(line, p+`'`) })
	}
	look(filepath.Join("packages", "backend", "package.json"), named)
	sources, _ := filepath.Glob(filepath.Join(a.root, "packages", "backend", "src", "*.ts"))
	deeper, _ := filepath.Glob(filepath.Join(a.root, "packages", "backend", "src", "*", "*.ts"))
	for _, source := range append(sources, deeper...) {
		name, _ := filepath.Rel(a.root, source)
		look(name, func(line string) bool { return named(line) && importLine.MatchString(line) })
	}
	return uses
}
