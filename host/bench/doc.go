// Package bench measures a whole host: requests over loopback, against the least that a Go process could do
// for the same answer. What counts are the ratios within one run.
package bench
