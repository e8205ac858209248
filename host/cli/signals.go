package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/understudy-host/understudy/pkg/logging"
)

// untilSignal returns a context that SIGINT and SIGTERM end. Another one then ends the process at once.
func untilSignal() (context.Context, context.CancelFunc) {
	first, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	ctx, cancel := context.WithCancelCause(context.Background())
	context.AfterFunc(first, func() {
		stop()
		cancel(fmt.Errorf("%w, another one ends the process at once", context.Cause(first)))
	})
	return ctx, stop
}

// openLog returns the log on standard output. The host goes on when the log's reader is gone, stalls, or the disk is
// full: without a handler of SIGPIPE, Go ends a process that writes to a pipe without a reader. Ignoring the signal would
// not do, since child processes inherit that.
func openLog(name string) *logging.Output {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return logging.NewOutput(os.Stdout, func(lost int, err error) {
		fmt.Fprintf(os.Stderr, "%s: %d log lines were lost: %v\n", name, lost, err)
	})
}

// reloadAtHangup calls reload at each SIGHUP until stop is called. If the process has a controlling terminal, SIGHUP
// means that the terminal is gone. Then it ends the process as ever: nobody would see that the host still runs.
func reloadAtHangup(reload func()) (stop func()) {
	if terminal, err := os.Open("/dev/tty"); err == nil {
		_ = terminal.Close()
		return func() {}
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			reload()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
	}
}
