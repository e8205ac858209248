package identity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/plugin/plugintest"
)

var around = Surroundings{
	Mount: "https://backend.example/api/auth/coder", Secrets: []string{"a-secret-of-coder-0123456789-0123456789"},
	Deployments: []string{"https://coder.example"},
}

func readYAML(t *testing.T, yaml string) (*Options, []string, error) {
	t.Helper()
	return ReadOptions(plugintest.Config(t, yaml), around)
}

func TestOptions(t *testing.T) {
	for name, test := range map[string]struct{ yaml, target, address string }{
		"default":     {"target: 'http://127.0.0.1:7008/'", "http://127.0.0.1:7008", "127.0.0.1:7017"},
		"a port":      {"target: 'https://node.example/base', listen: '7018'", "https://node.example/base", "127.0.0.1:7018"},
		"an address":  {"target: 'http://localhost:7008', listen: 'localhost:7018'", "http://localhost:7008", "localhost:7018"},
		"an object":   {"target: 'http://localhost:7008', listen: {port: 7018}", "http://localhost:7008", "127.0.0.1:7018"},
		"IPv6":        {"target: 'http://[::1]:7008', listen: {host: '::1', port: 7018}", "http://[::1]:7008", "[::1]:7018"},
		"127.0.0.0/8": {"target: 'http://127.1.2.3:7008', listen: '127.1.2.3:7018'", "http://127.1.2.3:7008", "127.1.2.3:7018"},
	} {
		o, warnings, err := readYAML(t, "understudy: {identity: {clientSecret: "+secret+", "+test.yaml+"}}")
		if err != nil || len(warnings) != 0 {
			t.Errorf("%s: %v, %v", name, err, warnings)
			continue
		}
		if o.Target != test.target || o.Address != test.address || o.Secret != secret || o.TLS != nil {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if o, warnings, err := readYAML(t, "understudy: {session: {keys: [a]}}"); o != nil || warnings != nil || err != nil {
		t.Errorf("without keys: %v, %v, %v", o, warnings, err)
	}
	if _, warnings, err := readYAML(t, "understudy: {identity: {clientSecret: "+secret+", target: 'http://node.example'}}"); err != nil || len(warnings) != 1 {
		t.Errorf("plain http to another machine: %v, %v", warnings, err)
	}
}

func TestAddressesThatOthersReachTakeTLS(t *testing.T) {
	cert, key := certificatePEM(t, 1)
	https := fmt.Sprintf(", https: {certificate: {cert: %q, key: %q}}", cert, key)
	for _, listen := range []string{"':7017'", "'0.0.0.0:7017'", "'10.0.0.1:7017'", "'node.example:7017'", "{host: '', port: 7017}", "{host: '::', port: 7017}", "'localhost.example:7017'"} {
		yaml := "understudy: {identity: {target: 'http://localhost:7008', clientSecret: " + secret + ", listen: " + listen + "%s}}"
		if _, _, err := readYAML(t, fmt.Sprintf(yaml, "")); err == nil || !strings.Contains(err.Error(), "takes TLS") {
			t.Errorf("%s: %v", listen, err)
		}
		if o, _, err := readYAML(t, fmt.Sprintf(yaml, https)); err != nil || o.TLS == nil {
			t.Errorf("%s with TLS: %v", listen, err)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		yaml string
		want []string
	}{
		"nothing": {"{}", []string{
			"Missing required config value at 'understudy.identity.target' in 'app-config.yaml', expected the base URL",
			"Missing required config value at 'understudy.identity.clientSecret' in 'app-config.yaml', expected a secret of its own",
		}},
		"all wrong": {"{target: 'ftp://x', clientSecret: short, listen: 'x:y', https: {certificate: {cert: a, key: b}}}", []string{
			"'understudy.identity.target' in 'app-config.yaml': the value is not an absolute http or https URL",
			"'understudy.identity.clientSecret' in 'app-config.yaml': it has 5 characters, expected at least 32",
			"'understudy.identity.listen' in 'app-config.yaml' is not an address",
			"'understudy.identity.https.certificate' in 'app-config.yaml' does not hold a certificate and its key",
		}},
		"Coder's secret": {"{target: 'http://localhost:1', clientSecret: '" + around.Secrets[0] + "'}", []string{
			"'understudy.identity.clientSecret' in 'app-config.yaml': this is a secret of something else, expected one of its own",
		}},
		"a password": {"{target: 'http://u:p@localhost:1', clientSecret: " + secret + "}", []string{"'understudy.identity.target' in 'app-config.yaml': a user in a URL is refused"}},
		"a query":    {"{target: 'http://localhost:1?a', clientSecret: " + secret + "}", []string{"without query and fragment"}},
		"itself":     {"{target: 'https://Backend.example/', clientSecret: " + secret + "}", []string{"this is the address of this backend itself, expected that of the Node backend"}},
		"https: true": {"{target: 'http://localhost:1', https: true, clientSecret: " + secret + "}", []string{
			"'understudy.identity.https",
		}},
	} {
		_, _, err := readYAML(t, "understudy: {identity: "+test.yaml+"}")
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if lines := strings.Split(err.Error(), "\n"); len(lines) < len(test.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in:\n%v", name, want, err)
			}
		}
	}
}

// TestListenerIsNotTakenForCoder: one file for both backends would have this one ask itself for tokens.
func TestListenerIsNotTakenForCoder(t *testing.T) {
	around := around
	around.Deployments = append(around.Deployments, "http://localhost:7017")
	_, _, err := ReadOptions(plugintest.Config(t, "understudy: {identity: {target: 'http://localhost:1', clientSecret: "+secret+"}}"), around)
	if err == nil || !strings.Contains(err.Error(), "this is the address of a deploymentUrl here") {
		t.Errorf("%v", err)
	}
}
