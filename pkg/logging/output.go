package logging

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	maxWaiting  = 1 << 20     // bytes of lines that wait to be written
	reportPause = time.Minute // between reports of lost lines
	lastWrite   = time.Second // for what still waits at the end
)

var errStalled = errors.New("the reader of the log does not keep up")

// Output is a log's way to a file that may fail or stall: the reader of a pipe goes away or stops reading, a disk is
// full. Write never fails and never waits for the file. Lines that cannot be written are lost, and reported at most
// once a minute.
type Output struct {
	file   io.Writer
	report func(lost int, err error)
	wake   chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	waiting []byte // whole lines
	lost    int    // lines that found no room there
	closed  bool
}

// NewOutput returns an output that writes to file until Close. It calls report, which may wait, with the number of
// lines that were lost since the last call.
func NewOutput(file io.Writer, report func(lost int, err error)) *Output {
	o := &Output{file: file, report: report, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.run()
	return o
}

// Write takes a line, or drops it if too many wait.
func (o *Output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting)+len(line) > maxWaiting {
		o.lost++
	} else {
		o.waiting = append(o.waiting, line...)
	}
	if !o.closed {
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// run writes the waiting lines until Close. Two buffers change places: one is written, one is filled.
func (o *Output) run() {
	defer close(o.done)
	var lines []byte
	var lost int
	var reported time.Time
	for range o.wake {
		o.mu.Lock()
		lines, o.waiting = o.waiting, lines[:0]
		more := o.lost
		o.lost = 0
		o.mu.Unlock()
		_, err := o.file.Write(lines)
		if err != nil {
			more += bytes.Count(lines, []byte("\n"))
		} else {
			err = errStalled
		}
		if lost += more; lost > 0 && time.Since(reported) >= reportPause {
			o.report(lost, err)
			lost, reported = 0, time.Now()
		}
	}
}

// Close waits until the lines are written, but at most a second: the file may be stalled.
func (o *Output) Close() {
	o.mu.Lock()
	if !o.closed {
		o.closed = true
		close(o.wake)
	}
	o.mu.Unlock()
	select {
	case <-o.done:
	case <-time.After(lastWrite):
	}
}
