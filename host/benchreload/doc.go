// Package benchreload measures what a developer and the users of a backend notice when its code or its configuration
// changes: the wait from a save to the new answer, and every request on the way. It compares `understudy dev` with
// other tools in the same run, and fails if a promise of docs/reloading.md is not kept.
//
// Its test has the build tag benchreload, and `make bench-reload` runs it, in about ten minutes. It needs a Unix. air
// and Backstage's CLI are installed into .cache; the table says which of them could not be had.
package benchreload
