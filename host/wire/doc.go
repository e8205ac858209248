// Package wire holds no code, only a test: it replays recorded exchanges against a running host and compares
// every answer, field by field, with what the real Node backends answered.
//
// A scenario (testdata/scenarios/<group>/<name>.txtar) is a list of requests of one browser with its cookie
// jar, and the golden transcript of the real packages: status, header names and values, CSP, cookies with
// their attributes and what the jar keeps, Location with its query and the decoded state, JSON bodies, what a
// popup page posts to whom, and what reached Coder (a scriptable fake, one for each host). Where a newer
// version of Backstage's auth library answers differently there is a second transcript; either is accepted.
// The groups:
//
//	legacy    @coder/backstage-plugin-coder-backend 0.4.0
//	provider  plugin-auth-backend 0.30.1 with the Coder provider module 0.1.0-alpha.0
//	host      headers, CORS, compression, health checks and odd requests of backend-defaults 0.18.0
//	tls       the provider behind a TLS front, with the app on another site and a second environment
//
// A difference must be listed in testdata/allowed-differences.json, with its reason. Parts 1 and 2 of the list
// are what the recorders of the scenarios leave open to any server, parts 3 and 4 are this host's own: an
// entry of those that no answer needs any more fails the test too. The list also covers recordings that are
// not in this sample. After the run the hosts' log, at level debug, must hold no secret.
//
// The scripts of popup pages are run by a JavaScript engine (goja) in a stand-in for a window, once with each
// kind of opener, since what such a page says to whom is the heart of the protocol and cannot be read off its
// text: ours and the golden ones reach the same messages by other code. The engine is needed by this test
// alone and is in no binary. Whether a real browser agrees is for the browser tests to say.
//
// The port of the recorder is checked against the real peers by hand:
//
//	UNDERSTUDY_WIRE_TARGET=http://127.0.0.1:7217 go test ./host/wire -run TestScenarios/provider
//
// replays a group against a server that is configured to find Coder at 127.0.0.1:7191; no difference at all is
// allowed then. (Only host/compression differs: br and deflate are not unpacked here.)
package wire
