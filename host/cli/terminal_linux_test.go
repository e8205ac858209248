package cli

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"unsafe"
)

// terminal opens a pseudo terminal. The process that has it as its controlling terminal gets SIGHUP when hangUp is called.
func terminal(t *testing.T) (tty *os.File, hangUp func() error) {
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
	return tty, control.Close
}

// A closed terminal leaves no host behind that nobody sees and that keeps the port.
func TestHangupEndsTheHostOfATerminal(t *testing.T) {
	tty, hangUp := terminal(t)
	p := startProcess(t, processConfig, func(cmd *exec.Cmd) {
		cmd.Stdin = tty
		cmd.SysProcAttr.Setctty = true // descriptor 0
	}).serves(t)
	if err := hangUp(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	if got := p.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != syscall.SIGHUP {
		t.Errorf("the host ended with %v, want SIGHUP", p.ProcessState)
	}
}
