package logging_test

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/understudy-host/understudy/pkg/logging"
)

// file is a file that a test makes fail or stall. While it stalls, a write waits for release.
type file struct {
	bytes.Buffer
	err     error
	release chan struct{}
}

func (f *file) Write(p []byte) (int, error) {
	if f.release != nil {
		<-f.release
	}
	if f.err != nil {
		return 0, f.err
	}
	return f.Buffer.Write(p)
}

// outputting calls test with an output to a file, with a fake clock. reports has what was reported.
func outputting(t *testing.T, stalled bool, test func(o *logging.Output, f *file, write func(lines int), reports *[]string)) {
	synctest.Test(t, func(t *testing.T) {
		var reports []string
		f := new(file)
		if stalled {
			f.release = make(chan struct{})
		}
		o := logging.NewOutput(f, func(lost int, err error) { reports = append(reports, fmt.Sprintf("%d %v", lost, err)) })
		defer o.Close()
		test(o, f, func(lines int) {
			for range lines {
				if n, err := o.Write([]byte("line\n")); n != 5 || err != nil {
					t.Errorf("Write returned %d, %v", n, err)
				}
				synctest.Wait()
			}
		}, &reports)
	})
}

func TestLogThatCannotBeWrittenIsLostAndReportedOnceAMinute(t *testing.T) {
	for _, failure := range []error{syscall.EPIPE, syscall.ENOSPC, syscall.EIO} {
		outputting(t, false, func(_ *logging.Output, f *file, write func(int), reports *[]string) {
			f.err = failure
			write(100)
			time.Sleep(time.Minute)
			write(100)
			if got, want := strings.Join(*reports, ", "), fmt.Sprintf("1 %v, 100 %v", failure, failure); got != want {
				t.Errorf("reported: %s, want %s", got, want)
			}
			f.err = nil
			write(1)
			if got := f.String(); got != "line\n" {
				t.Errorf("when it works again the file gets %q", got)
			}
		})
	}
}

// The reader of a pipe may stop without going away.
func TestStalledLogHoldsUpNobodyAndDoesNotGrow(t *testing.T) {
	outputting(t, true, func(o *logging.Output, f *file, write func(int), reports *[]string) {
		write(1) // is being written
		long := bytes.Repeat([]byte("x"), 1<<10)
		long[len(long)-1] = '\n'
		for range 1 << 11 {
			_, _ = o.Write(long)
		}
		close(f.release)
		synctest.Wait()
		if n := f.Len(); n != 1<<20+len("line\n") {
			t.Errorf("%d bytes were kept, want a mebibyte and what was being written", n)
		}
		if got, want := strings.Join(*reports, ", "), "1024 the reader of the log does not keep up"; got != want {
			t.Errorf("reported: %s, want %s", got, want)
		}
	})
}

func TestCloseWritesWhatWaitsAndIsBounded(t *testing.T) {
	for _, stalled := range []bool{false, true} {
		outputting(t, stalled, func(o *logging.Output, f *file, _ func(int), _ *[]string) {
			for range 3 {
				_, _ = o.Write([]byte("line\n"))
			}
			begun := time.Now()
			o.Close()
			_, _ = o.Write([]byte("late\n"))
			if took := time.Since(begun); stalled && took != time.Second || !stalled && (took != 0 || f.String() != "line\nline\nline\n") {
				t.Errorf("stalled: %v, Close took %v, and the file has %q", stalled, took, f.String())
			}
			if stalled {
				close(f.release)
			}
		})
	}
}
