//go:build unix

package dev

import (
	"os"
	"os/signal"
	"syscall"
)

// ownGroup makes a process the leader of its own process group.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }

// killGroup ends a process and those that it has started.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// keepInBackground makes reading the keys fail while this process is in the background of its terminal. Otherwise it would
// be stopped.
func keepInBackground() { signal.Ignore(syscall.SIGTTIN) }
