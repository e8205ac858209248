//go:build benchreload && unix

package benchreload

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const air = "github.com/air-verse/air@v1.67.4"

// withAir returns how to run the backend with air: as `air init` sets it up, with replacements.
func withAir(tool string, proxied bool, replace ...string) func(*module) ([]string, error) {
	return func(m *module) ([]string, error) {
		install := exec.Command("go", "install", air)
		install.Env = append(os.Environ(), "GOBIN="+filepath.Dir(tool))
		if err := run(install); err != nil {
			return nil, err
		}
		initial := exec.Command(tool, "init")
		initial.Dir = m.dir
		if err := run(initial); err != nil {
			return nil, err
		}
		path := filepath.Join(m.dir, ".air.toml")
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if proxied { // the backend gets the port that is listened on, air's proxy the next one
			host, port, _ := net.SplitHostPort(m.address)
			listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			if err != nil {
				return nil, err
			}
			m.address = listener.Addr().String()
			_ = listener.Close()
			_, front, _ := net.SplitHostPort(m.address)
			replace = append(replace, "app_port = 0", "app_port = "+port, "proxy_port = 0", "proxy_port = "+front)
			before, after, _ := strings.Cut(string(text), "[proxy]")
			text = []byte(before + "[proxy]" + strings.Replace(after, "enabled = false", "enabled = true", 1))
		}
		return []string{tool}, os.WriteFile(path, []byte(strings.NewReplacer(replace...).Replace(string(text))), 0o600)
	}
}

// tuned are the settings of air that lose the least.
var tuned = []string{
	"delay = 1000", "delay = 0", "send_interrupt = false", "send_interrupt = true", `kill_delay = "0s"`, `kill_delay = "2s"`,
	`full_bin = ""`, `full_bin = "exec ./tmp/main"`, "go build", "go build -ldflags='-s -w'",
}

// withBackstage returns how to run Backstage's counterpart of the backend with Backstage's own command. dir keeps what
// npm installs.
func withBackstage(dir string) func(*module) ([]string, error) {
	return func(m *module) ([]string, error) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		for _, name := range []string{"package.json", ".npmrc"} {
			text, err := os.ReadFile(filepath.Join("testdata/backstage", name))
			if err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				return nil, err
			}
		}
		npm := exec.Command("npm", "install", "--no-package-lock", "--loglevel=error")
		npm.Dir = dir
		if err := run(npm); err != nil {
			return nil, err
		}
		if err := keys(m.dir); err != nil {
			return nil, err
		}
		modules := filepath.Join(m.dir, "node_modules")
		return []string{filepath.Join(modules, ".bin/backstage-cli"), "package", "start"}, os.Symlink(filepath.Join(dir, "node_modules"), modules)
	}
}

// keys makes the keys with which Backstage's plugins would sign their calls to each other.
func keys(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "private.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
		os.WriteFile(filepath.Join(dir, "public.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600),
	)
}

// run runs a command to its end. The error has its last line.
func run(command *exec.Cmd) error {
	out, err := command.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("%s: %w: %s", filepath.Base(command.Path), err, lines[len(lines)-1])
}
