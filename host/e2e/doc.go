// Package e2e drives a whole host from a browser: the demo page, the popups and Backstage's own OAuth2 client,
// against the sandbox. Its tests have the build tag e2e, and `make e2e` runs them.
//
// They need Chromium, and the client's tests need npm besides. What cannot run is skipped, or fails when CI
// is set. UPDATE_SCREENSHOTS=1 takes the pictures in docs/images anew.
package e2e
