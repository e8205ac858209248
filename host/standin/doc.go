// Package standin has the tests that run a real Backstage backend from npm behind a host: make standin. They need Node 20 and
// npm, and install the packages that backend/package-lock.json pins into the user's cache folder.
package standin
