// Command timedgo stands in for the go command, and notes when each build began and ended, with what arguments.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

func main() {
	args := os.Args[1:]
	if !slices.Contains(args, "build") {
		fail(syscall.Exec(os.Getenv("MEASURED_GO"), os.Args, os.Environ()))
	}
	began := time.Now()
	command := exec.Command(os.Getenv("MEASURED_GO"), args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := command.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		fail(err)
	}
	dir, _ := os.Getwd()
	line, _ := json.Marshal(map[string]any{"dir": dir, "args": args, "began": began, "ended": time.Now()})
	notes, err := os.OpenFile(os.Getenv("MEASURED_BUILDS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = notes.Write(append(line, '\n'))
	}
	if err != nil {
		fail(err)
	}
	os.Exit(command.ProcessState.ExitCode())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "timedgo:", err)
	os.Exit(1)
}
