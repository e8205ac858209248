// Package wire tests what goes over the wire. It replays recorded exchanges against a running host, and compares each
// answer with that of the real Node backends, field by field. There is no code in it, only tests.
//
// A scenario (testdata/scenarios/<group>/<name>.txtar) is a list of requests of one browser with a cookie jar, and
// the golden transcript of the real packages: status, header names and values, CSP, cookies with their attributes,
// the content of the jar, Location with its query and the decoded state, JSON bodies, what a popup page posts to whom,
// and the requests to Coder, which is a scriptable fake. If a newer version of Backstage's auth library answers
// differently, there is a second transcript, and either is accepted. The groups are:
//
//	legacy    @coder/backstage-plugin-coder-backend 0.4.0
//	provider  plugin-auth-backend 0.30.1 with the Coder provider module 0.1.0-alpha.0
//	host      headers, CORS, compression, health checks and odd requests of backend-defaults 0.18.0
//	proxy     plugin-proxy-backend 0.6.18
//	tls       the provider behind a TLS front, with the app on another site and a second environment
//
// Every difference must be listed in testdata/allowed-differences.json, with its reason. Parts 1 and 2 of the list
// allow what any server may do differently. Parts 3 and 4 belong to this host: if no answer needs one of their
// entries, the test fails too. The list also covers recordings that are not in this sample. After the run there must
// be no secret in the hosts' log, at level debug.
//
// What a popup page posts, and to whom, is the core of the protocol. It cannot be read from the page's text, since our
// pages and the recorded ones post the same messages with different code. So a JavaScript engine (goja) runs the
// scripts in a simulated window, once with each kind of opener. Only this test needs the engine. The tests in host/e2e
// use a real browser.
//
// This test can be checked against the real peers, by hand:
//
//	UNDERSTUDY_WIRE_TARGET=http://127.0.0.1:7217 go test ./host/wire -run TestScenarios/provider
//
// replays a group against a server that expects Coder at 127.0.0.1:7191. No difference at all is allowed then. (Only
// host/compression differs, since br and deflate are not decompressed here.)
package wire
