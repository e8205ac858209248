// Package e2e tests a whole host with a browser: the demo page, the popups and Backstage's own OAuth2 client, against
// the sandbox. Its tests have the build tag e2e, and `make e2e` runs them.
//
// They need Chromium. Those of the client, and of the sign-in page with a Node backend, also need npm. A test that cannot run is skipped, or fails if CI is set.
// UPDATE_SCREENSHOTS=1 takes new pictures for docs/images.
package e2e
