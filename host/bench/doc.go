// Package bench measures a whole host with requests over loopback, and compares it with the least that a Go process
// must do for the same answer. Compare only figures of the same run.
package bench
