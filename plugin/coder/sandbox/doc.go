// Package sandbox is a Coder stand-in and a demo app page for machines that have no Coder. They are two loopback
// servers on two origins, like an app and its Coder in production. The page reads Coder's API through the host's proxy,
// as the frontend plugin does. `make run` starts them with the host, and tests run the host against them.
//
// The stand-in has the statuses and error texts of coder/coder's coderd/oauth2provider: PKCE (S256) for every code,
// exact redirect URIs, unknown parameters refused, one token for each user, rotating refresh tokens. It is stricter in
// two things: the port of a loopback redirect URI counts, and resource indicators are not known. OAuth2 server
// libraries (ory/fosite, zitadel/oidc, go-oauth2) do not fit: they have error texts of their own, ignore unknown
// fields and let a user have many tokens. A few small handlers are shorter and closer to Coder.
//
// # Element ids
//
// Browser tests may rely on these. The consent page has #allow, #cancel and one radio button for each demo user
// (#user-dana, #user-lin, #user-sam). An error page has #error.
//
// The demo page has #sign-in (the current frontend plugin, through Backstage's OAuth2 client) and #sign-in-legacy (the
// legacy frontend plugin). It has #status, and #error, which is hidden if there is no error. It has #signed-out and
// #signed-in, and one of them is hidden. #signed-in has #user-name, #user-email, #user-avatar, #protocol,
// #token-expiry, #refresh (hidden in a legacy session, which cannot be refreshed), #sign-out, #workspace-count and
// #workspaces. The last is a table with one row in its tbody for each workspace; the row has data-workspace and
// data-status. <body data-state> is "starting", "signed-out", "signing-in" or "signed-in". The workspaces are loaded
// when #workspaces has aria-busy="false".
package sandbox
