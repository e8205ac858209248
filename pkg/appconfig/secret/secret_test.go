package secret_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/appconfig/secret"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

func TestKeysSaySecret(t *testing.T) {
	for key := range strings.FieldsSeq("password PASSWORD dbPassword db_password passwd passphrase pwd secret clientSecret client_secret secrets secretId token tokens " +
		"GITHUB_TOKEN accessToken botToken apiKey api-key apikey APIKey X-Api-Key key keys accessKeyId secretAccessKey privateKey private_key signingKey " +
		"Authorization authorization Proxy-Authorization Cookie X-Auth-Token PRIVATE-TOKEN credentials credential connectionString webhookUrl DSN sentryDsn pat otp pin signature sig " +
		"X-Auth pass auth passwordHash tokenValue jwt password2 secretKey sessionKey") {
		if !secret.Named(key) {
			t.Errorf("%s does not count as secret", key)
		}
	}
	for key := range strings.FieldsSeq("title baseUrl host port user username tokenEndpoint tokenUrl token_uri secretName secretRef passwordFile passwordPolicy keyPath publicKey publicKeys " +
		"keyStore keyboard monkey author authority compass bypass passive design pins paths sessionDuration clientId tokenType authMethod authProvider cert ca hotkeys keyword cookieName spinner issuer") {
		if secret.Named(key) {
			t.Errorf("%s counts as secret", key)
		}
	}
}

func TestFormsSaySecret(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("me:S3cr3t"))
	for _, text := range []string{
		"-----BEGIN RSA PRIVATE KEY-----\nabc", "-----BEGIN OPENSSH PRIVATE KEY-----\\nabc", "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "ghp_S3cr3tS3cr3tS3cr3t", "github_pat_11ABCDEFG0_abcdef", "glpat-S3cr3tS3cr3t",
		"xoxb-1234567890-abcdef", "xapp-1-A0123456-abc", "AKIAIOSFODNN7EXAMPLE", "AIzaSyA-0123456789abcdef", "npm_0123456789abcdef", "hvs.CAESIJabcdefgh", "sk_live_abcdefgh", "sk-proj-abcdefghij", "SG.abcdefgh.ijkl",
		"Bearer abc", "bearer abcdefgh", "Token 0123456789abcdef", "Basic " + basic, "Basic " + strings.TrimRight(basic, "="), "https://u:p@h.example", "https://ghp@github.example/x", "postgresql://u:p/w@h:5432/db", "redis://:pw@h:6379",
		"mongodb+srv://u:pw@h/db?x=y", "https://h.example/?token=abc", "https://h.example/?sig=abc&x=1", "https://h.example/#access_token=abc", "https://h.example/#/x?token=abc", "https://h.example/?r=https%3A%2F%2Fu%3Ap%40h", "//u:p@h", "see https://u:p@h for more", "u:pw@tcp(db:3306)/x", "me:pw@h.example",
		"Server=db;User Id=sa;Password=pw1;", "host=db password=pw1 user=me", "AccountName=a;AccountKey=abc=;", "jdbc:sqlserver://h;password=pw1", "jdbc:mysql://h/db?user=u&password=pw1", `{"password":"pw1"}`, "$2b$10$abcdefghijkl",
		"https://hooks.slack.com/services/T0/B0/x", "0123456789-abcdefghijklmnopqrstuv", "dGhpcyBpcyBhIGtleSBvZiAzMiBieXRlcyBsb25nIQ==", "aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3", "//registry.npmjs.org/:_authToken=abcd",
	} {
		if !secret.Looks(text) {
			t.Errorf("%q does not look secret", text)
		}
	}
	for _, text := range []string{
		"", "a", "My Company's Portal", "https://h.example/a/b?page=2#section", "https://h.example:8443/users/a@b.example", "http://localhost:3000", "me@h.example", "guest", "user:default/guest", "localhost:5432", "*/5 * * * *",
		"a1b2c3d4-e5f6-7890-abcd-ef0123456789", "0123456789abcdef0123456789abcdef01234567", "https://idp.example/oauth2/token", "https://git.example/code/all.yaml", "https://git.example/secret/x#L3", "https://h.example/#/route?page=1", "https://idp.example/.well-known/openid-configuration", "Basic settings", "Basic plan of the company",
		"arn:aws:iam::123456789012:role/Reader", "docker.io/library/nginx:1.27@sha256", "component:default/my-service", "./catalog/all.yaml", "/var/run/secrets/kubernetes.io/serviceaccount/token", "'self'", "X-Api-Key", "GET", "token", "secret",
		"openid profile email", "The token: see the handbook's page"[:9], "@backstage/plugin-auth-backend", "10m", "PT1H", "#ff0000", "repo:owner/name:ref:refs/heads/main", "https://*.example.com", "connect-src 'self' http: https:", "eyJ", "AKIA", "gh_x",
	} {
		if secret.Looks(text) {
			t.Errorf("%q looks secret", text)
		}
	}
}

func TestMask(t *testing.T) {
	const text = `
title: Portal
db: {client: pg, connection: {host: db, port: 5432, user: me, password: s1, ssl: {ca: x, key: s2}}}
proxy: {endpoints: {/x: {target: 'https://h.example', headers: {Authorization: 's3', X-Api-Key: 5, Accept: json}}}}
tokens: {one: s4, many: [s5, {x: s6}], enabled: true, issuer: me}
env: [{name: DB_PASSWORD, value: s7}, {name: DB_HOST, value: db}]
keys: [s8, {id: one, secret: s9}]
links: ['https://u:s10@h.example', 'https://h.example']
password: ''
nothing: ~
`
	v, err := yaml.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"title":"Portal","db":{"client":"pg","connection":{"host":"db","port":5432,"user":"me","password":"*","ssl":{"ca":"x","key":"*"}}},` +
		`"proxy":{"endpoints":{"/x":{"target":"https://h.example","headers":{"Authorization":"*","X-Api-Key":"*","Accept":"json"}}}},` +
		`"tokens":{"one":"*","many":["*",{"x":"*"}],"enabled":true,"issuer":"me"},"env":[{"name":"DB_PASSWORD","value":"*"},{"name":"DB_HOST","value":"db"}],` +
		`"keys":["*",{"id":"*","secret":"*"}],"links":["*","https://h.example"],"password":"","nothing":null}`
	if diff := cmp.Diff(want, string(value.FormatJSON(secret.Mask(v, "*")))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
