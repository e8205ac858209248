package coder

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// TestVisibilityIsThatOfThePublishedPackages: an app is built with what is visible to it.
func TestVisibilityIsThatOfThePublishedPackages(t *testing.T) {
	own, err := schema.Compile(schema.Source{PackageName: "coder", Path: "schema.json", Value: Plugin().Schema})
	if err != nil {
		t.Fatal(err)
	}
	config := plugintest.Config(t, `
coder: {deployment: {accessUrl: 'https://coder.example', more: {x: 1}}, oauth: {clientId: a, clientSecret: s, timeout: 10s}}
auth: {environment: production, providers: {coder: {production: {clientId: a, clientSecret: s}}}}`)
	layers, err := own.Process(config, schema.Options{Visibility: []string{"frontend"}})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(layers[0].Data)
	const want = `{"coder":{"deployment":{"accessUrl":"https://coder.example","more":{"x":1}},"oauth":{"clientId":"a"}},` +
		`"auth":{"environment":"production","providers":{"coder":{}}}}`
	if string(got) != want {
		t.Errorf("the app gets %s, want %s", got, want)
	}
}

func TestCheckWarnsOfWhatTheFrontendPluginRequires(t *testing.T) {
	const providers = "auth: {providers: {coder: {production: {clientId: a}}}}\n"
	for yaml, want := range map[string]string{
		providers: "coder.deployment.accessUrl, coder.oauth.clientId, coder.oauth.clientSecret",
		providers + "coder: {deployment: {accessUrl: x}, oauth: {clientId: a}}":                  "requires coder.oauth.clientSecret too",
		providers + "coder: {deployment: {accessUrl: x}, oauth: {clientId: a, clientSecret: b}}": "",
		"coder: {oauth: {clientId: a}}": "",
	} {
		got := strings.Join(Plugin().Advise(plugintest.Config(t, yaml)), "\n")
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q", yaml, got)
		}
	}
}

func TestSchemaVisibility(t *testing.T) {
	own, err := schema.Compile(schema.Source{PackageName: "coder", Path: "schema.json", Value: Plugin().Schema})
	if err != nil {
		t.Fatal(err)
	}
	secrets := own.Secrets(plugintest.Config(t, `
coder: {oauth: {clientSecret: one, clientId: public}}
auth: {session: {secret: two}, providers: {coder: {development: {clientSecret: three, clientId: public}}}}
backend: {auth: {keys: [{secret: four}]}}
understudy: {session: {keys: [five]}, identity: {target: public, clientSecret: six, https: {certificate: {cert: public, key: seven}}}}`))
	if got := " " + strings.Join(secrets, " ") + " "; len(secrets) != 7 || strings.Contains(got, "public") {
		t.Errorf("secrets %v", secrets)
	}
}

func TestSchemaKnowsTheAuthenticationMethods(t *testing.T) {
	own, err := schema.Compile(schema.Source{PackageName: "coder", Path: "schema.json", Value: Plugin().Schema})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"coder: {oauth: ", "auth: {providers: {coder: {production: "} {
		for method, valid := range map[string]bool{upstream.PostAuth: true, upstream.BasicAuth: true, "private_key_jwt": false, "''": false} {
			yaml := key + "{tokenEndpointAuthMethod: " + method + strings.Repeat("}", strings.Count(key, "{")+1)
			if err := own.Validate(plugintest.Config(t, yaml)); (err == nil) != valid {
				t.Errorf("%s: %v", yaml, err)
			}
		}
	}
}
