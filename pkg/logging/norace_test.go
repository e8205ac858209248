//go:build !race

package logging_test

const raceEnabled = false // the race detector changes what things cost
