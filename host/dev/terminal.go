package dev

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/understudy-host/understudy/pkg/logging"
)

// terminal writes the parent's own lines, and the children's between them.
type terminal struct {
	mu    sync.Mutex
	out   io.Writer
	color bool
}

func (t *terminal) write(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.out.Write(line)
}

// The colours of the parent's words.
const (
	cyan = "\x1b[36m"
	red  = "\x1b[31m"
	dim  = "\x1b[2m"
	off  = "\x1b[0m"
)

func (t *terminal) paint(color, text string) string {
	if !t.color {
		return text
	}
	return color + text + off
}

// say writes one line: the time, what happened, and the rest.
func (t *terminal) say(what, format string, args ...any) {
	text := plain(fmt.Sprintf(format, args...))
	t.write([]byte(t.paint(dim, time.Now().Format(time.TimeOnly)) + " " + t.paint(cyan, fmt.Sprintf("%-9s", what)) + " " + text + "\n"))
}

func (t *terminal) quiet(text string) { t.write([]byte(t.paint(dim, plain(text)) + "\n")) }

// problem writes what is wrong, and the text of the compiler or of the program as it is: terminals make links of its lines.
func (t *terminal) problem(what, text string) {
	t.write([]byte(t.paint(dim, time.Now().Format(time.TimeOnly)) + " " + t.paint(red, what) + "\n" + plain(strings.TrimRight(text, "\n")) + "\n"))
}

// plain returns text without what could change a terminal.
func plain(text string) string {
	var b strings.Builder
	for { // colours that a program has written to its log are no part of its text
		before, after, found := strings.Cut(text, "\x1b[")
		b.WriteString(before)
		if !found {
			break
		}
		text = strings.TrimLeft(after, "0123456789;")
		if text != "" {
			text = text[1:]
		}
	}
	return string(logging.Printable([]byte(b.String()), false))
}

// count returns a number of things.
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// short returns a time as people read it.
func short(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Millisecond)
}

// names returns at most three of the files, relative to the working folder.
func names(files []string) string {
	if len(files) == 0 {
		return "on demand"
	}
	working, _ := os.Getwd()
	var list []string
	for i, file := range files {
		if i == 3 {
			list = append(list, fmt.Sprintf("and %d more", len(files)-3))
			break
		}
		if relative, err := filepath.Rel(working, file); err == nil && !strings.HasPrefix(relative, "..") {
			file = relative
		}
		list = append(list, file)
	}
	return strings.Join(list, ", ")
}

// keys sends r and q when the user enters them. The end of the input is none.
func (p *parent) keys(ctx context.Context) <-chan rune {
	keys := make(chan rune)
	if p.In == nil {
		return keys
	}
	keepInBackground()
	go func() {
		for lines := bufio.NewScanner(p.In); lines.Scan(); {
			key := strings.ToLower(strings.TrimSpace(lines.Text()))
			if key != "r" && key != "q" {
				continue
			}
			select {
			case keys <- rune(key[0]):
			case <-ctx.Done():
				return
			}
		}
	}()
	return keys
}
