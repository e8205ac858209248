package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// build is one run of go build.
type build struct {
	files  []string // that have changed since the last build
	force  bool     // a child is started even if nothing has changed
	begin  time.Time
	output string // the program
	cancel context.CancelFunc

	listed *sources // what the program is made of, nil if it is not known
	took   time.Duration
	err    error
}

// maxOutput is how much of the compiler's output is shown.
const maxOutput = 16 << 10

// run builds the program. Debug information is left out, which saves a fifth of the time. So are the build's identity and
// the state of the version control, so that the same code makes the same program.
func (b *build) run(ctx context.Context, pkg string) {
	listed := make(chan *sources, 1)
	go func() {
		files, err := list(ctx, pkg)
		if err != nil {
			files = nil // the build says why
		}
		listed <- files
	}()
	_, b.err = command(ctx, "build", "-o", b.output, "-ldflags=-s -w -buildid=", "-buildvcs=false", pkg)
	b.took = time.Since(b.begin)
	if b.listed = <-listed; b.listed != nil {
		b.listed.since, b.listed.partial = b.begin, b.err != nil
	}
}

// same reports whether two builds have made the same program.
func same(a, b string) bool {
	var files [2]*os.File
	for i, name := range []string{a, b} {
		file, err := os.Open(name)
		if err != nil {
			return false
		}
		defer func() { _ = file.Close() }()
		files[i] = file
	}
	var parts [2][64 << 10]byte
	for {
		n, err1 := io.ReadFull(files[0], parts[0][:])
		m, err2 := io.ReadFull(files[1], parts[1][:])
		if !bytes.Equal(parts[0][:n], parts[1][:m]) || !errors.Is(err2, err1) {
			return false
		}
		if err1 != nil {
			return errors.Is(err1, io.EOF) || errors.Is(err1, io.ErrUnexpectedEOF)
		}
	}
}

// command runs the go command. Its error has what go has written, without the lines that name packages.
func command(ctx context.Context, args ...string) (out []byte, err error) {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the user's own package
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { killGroup(cmd.Process); return nil }
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("go is not installed here, or not in PATH: install it from https://go.dev/dl")
	case err == nil:
		return stdout.Bytes(), nil
	}
	var text []string
	for line := range strings.Lines(plain(stderr.String())) {
		if !strings.HasPrefix(line, "# ") {
			text = append(text, strings.TrimRight(line, "\n"))
		}
	}
	said := strings.TrimSpace(strings.Join(text, "\n"))
	if said == "" {
		return nil, err
	}
	if len(said) > maxOutput {
		said = strings.ToValidUTF8(said[:maxOutput], "") + "…"
	}
	return nil, errors.New(said)
}

// sources are what a program is made of: the files that are ours to change.
type sources struct {
	name  string          // of the package: "main"
	files map[string]bool // that exist now; absolute paths
	code  map[string]bool // folders whose .go files belong to it, also new ones
	data  map[string]bool // folders whose files are embedded, also new ones
	count int             // of packages

	since   time.Time // when the build of them began
	partial bool      // something may be missing, since they do not build
}

// list asks go for the packages of the main module, and of modules that replace others by a folder. Everything else does
// not change.
func list(ctx context.Context, pkg string) (*sources, error) {
	out, err := command(ctx, "list", "-e", "-deps", "-json=Name,ImportPath,Dir,Standard,DepOnly,Module,GoFiles,CgoFiles,CFiles,CXXFiles,HFiles,SFiles,EmbedFiles,EmbedPatterns,Error", pkg)
	if err != nil {
		return nil, err
	}
	s := &sources{files: map[string]bool{}, code: map[string]bool{}, data: map[string]bool{}}
	var root listed
	var missing []string
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if !p.DepOnly {
			if s.name != "" {
				return nil, fmt.Errorf("%s is more than one package, expected a main package", pkg)
			}
			if s.name = p.Name; p.Name == "" && p.Error != nil {
				return nil, errors.New(strings.TrimSpace(p.Error.Err))
			}
		}
		s.add(p)
		if root = p; p.Dir == "" {
			missing = append(missing, p.ImportPath)
		}
	}
	if m := root.Module; m != nil { // the last one is the program itself
		for _, path := range missing {
			if below, ok := strings.CutPrefix(path, m.Path+"/"); ok {
				s.code[filepath.Join(m.Dir, below)] = true // a package that is yet to be written
			}
		}
	}
	if work, err := command(ctx, "env", "GOWORK"); err == nil {
		if path := strings.TrimSpace(string(work)); filepath.IsAbs(path) {
			s.files[path] = true
		}
	}
	return s, nil
}

// listed is what go list says of a package.
type listed struct {
	Name, ImportPath, Dir                                                          string
	Standard, DepOnly                                                              bool
	Module                                                                         *module
	GoFiles, CgoFiles, CFiles, CXXFiles, HFiles, SFiles, EmbedFiles, EmbedPatterns []string
	Error                                                                          *struct{ Err string }
}

type module struct {
	Path, Dir, GoMod string
	Main             bool
	Replace          *struct{ Version, Dir, GoMod string }
}

func (s *sources) add(p listed) {
	if p.Standard || p.Dir == "" || p.Module != nil && !p.Module.Main && (p.Module.Replace == nil || p.Module.Replace.Version != "") {
		return
	}
	s.count++
	s.code[p.Dir] = true
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.CFiles, p.CXXFiles, p.HFiles, p.SFiles) {
		s.files[filepath.Join(p.Dir, name)] = true
	}
	for _, name := range p.EmbedFiles {
		path := filepath.Join(p.Dir, name)
		s.files[path] = true
		s.data[filepath.Dir(path)] = true
	}
	for _, pattern := range p.EmbedPatterns {
		if p.Error != nil { // perhaps because nothing matches yet
			s.data[filepath.Dir(filepath.Join(p.Dir, strings.TrimPrefix(pattern, "all:")))] = true
		}
	}
	if p.Module == nil {
		return
	}
	mod := p.Module.GoMod
	if p.Module.Replace != nil {
		mod = p.Module.Replace.GoMod
	}
	if mod != "" {
		s.files[mod], s.files[strings.TrimSuffix(mod, "mod")+"sum"] = true, true
	}
}

// check returns an error if there is no program to build.
func (s *sources) check(pkg string) error {
	switch s.name {
	case "main":
		return nil
	case "":
		return fmt.Errorf("there is no package %s", pkg)
	}
	return fmt.Errorf("%s is package %s, expected a main package: name the folder of the program, such as ./cmd/mybackend", pkg, s.name)
}

func (s *sources) summary() string {
	return fmt.Sprintf("%d files of %d packages   r + Enter reloads, q + Enter stops", len(s.files), s.count)
}
