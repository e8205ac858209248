// Package sandbox is a Coder stand-in and a demo app page for machines that have no Coder: two loopback
// servers on two origins, as an app and its Coder are in production. `make run` starts it beside the host,
// and the tests drive the host against it.
//
// The stand-in follows coder/coder's coderd/oauth2provider to the status and the words: PKCE (S256) for every
// code, exact redirect URIs, unknown parameters refused, one token for each user, rotating refresh tokens. It is
// stricter in two things: the port of a loopback redirect URI counts, and resource indicators are not known. The
// OAuth2 server libraries (ory/fosite, zitadel/oidc, go-oauth2) were looked at and fit none of that: they bring
// their own error texts, ignore unknown fields and let a user hold many tokens, so a few small handlers here
// are both shorter and closer.
//
// # Element ids
//
// Browser tests may rely on these. The consent page has #allow, #cancel and one radio button for each demo
// user (#user-dana, #user-lin, #user-sam); an error page has #error.
//
// The demo page has #sign-in (the current frontend plugin, through Backstage's OAuth2 client) and
// #sign-in-legacy (the older frontend plugin); #status and #error, of which #error is hidden when there is
// none; #signed-out and #signed-in, one of them hidden; and in the latter #user-name, #user-email,
// #user-avatar, #protocol, #token-expiry, #refresh (hidden in a session of the older plugin, which has no
// refresh), #sign-out, #workspace-count and #workspaces, a table with one row in its tbody for each workspace
// and data-workspace and data-status on the row. <body data-state> is "starting", "signed-out", "signing-in" or
// "signed-in"; the workspaces are there once #workspaces has aria-busy="false".
package sandbox
