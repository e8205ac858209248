package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// terminal opens a pseudo terminal. control gets what is written to it. The process that has it as its controlling
// terminal gets SIGHUP when control is closed.
func terminal(t *testing.T) (tty, control *os.File) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = control.Close() })
	var number, unlocked uint32
	for request, value := range map[uintptr]*uint32{syscall.TIOCSPTLCK: &unlocked, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, control.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Skip(errno)
		}
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return tty, control
}

// A closed terminal leaves no host behind that nobody sees and that keeps the port.
func TestHangupEndsTheHostOfATerminal(t *testing.T) {
	tty, control := terminal(t)
	p := startProcess(t, processConfig, func(cmd *exec.Cmd) {
		cmd.Stdin = tty
		cmd.SysProcAttr.Setctty = true // descriptor 0
	}).serves(t)
	if err := control.Close(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	if got := p.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != syscall.SIGHUP {
		t.Errorf("the host ended with %v, want SIGHUP", p.ProcessState)
	}
}

// The log has colours on a terminal, and only there. No other test of this package runs on one.
func TestLogIsColoredOnATerminal(t *testing.T) {
	for name, c := range map[string]struct{ variable, flag, want string }{
		"a terminal":       {"A=b", "text", `^\x1b\[2m\S+Z\x1b\[22m \x1b\[34mhost\x1b\[39m {11}\x1b\[32minfo\x1b\[39m  loaded config \x1b\[36mlayers\x1b\[39m=\[`},
		"NO_COLOR":         {"NO_COLOR=1", "text", `^\S+Z host {11}info  loaded config layers=\[`},
		"a dumb terminal":  {"TERM=dumb", "text", `^\S+Z host {11}info  loaded config layers=\[`},
		"JSON":             {"A=b", "json", `^\{"level":"info","timestamp":"[^"]+","message":"loaded config","service":"host","layers":\[`},
		"JSON, not forced": {"FORCE_COLOR=1", "json", `^\{"level":"info","timestamp":"[^"]+","message":"loaded config","service":"host","layers":\[`},
	} {
		t.Run(name, func(t *testing.T) {
			tty, control := terminal(t)
			p := startProcess(t, processConfig, func(cmd *exec.Cmd) {
				cmd.Env = append(slices.DeleteFunc(cmd.Env, func(entry string) bool {
					name, _, _ := strings.Cut(entry, "=")
					return slices.Contains([]string{"FORCE_COLOR", "NO_COLOR", "TERM"}, name)
				}), c.variable)
				cmd.Args = append(cmd.Args, "--log-format", c.flag)
				cmd.Stdout = tty
			})
			copied := make(chan struct{})
			go func() {
				defer close(copied)
				_, _ = io.Copy(p.log, control)
			}()
			p.log.Wait(t, "readiness")
			_ = p.Process.Kill()
			_ = p.Wait()
			_ = tty.Close()
			<-copied // the last one has closed the terminal
			if !slices.ContainsFunc(strings.Split(p.log.String(), "\n"), regexp.MustCompile(c.want).MatchString) {
				t.Errorf("no line of the log is like %s: %q", c.want, p.log)
			}
		})
	}
}
