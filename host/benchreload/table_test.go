//go:build benchreload && unix

package benchreload

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// heading says when and where the figures were measured.
func heading(began time.Time) string {
	system, _ := exec.Command("uname", "-sm").Output()
	version, _ := exec.Command("go", "env", "GOVERSION").Output()
	load := ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load average at the end " + strings.Join(strings.Fields(string(text))[:2], " and ")
	}
	return fmt.Sprintf("%s, %s, %d cores, %s; %s%s.\n", began.UTC().Format("2 January 2006"), strings.TrimSpace(string(system)),
		runtime.NumCPU(), strings.TrimSpace(string(version)), time.Since(began).Round(time.Second), load)
}

func table(rows []row) string {
	var text strings.Builder
	text.WriteString("| | saves shown | save → new answer, median / longest | its `go build` | rest | `go build` alone | config save → new answer | " +
		"requests | failed | twice | mixed | longest wait | build error | crash at the start | Ctrl-C |\n|" + strings.Repeat(" --- |", 15) + "\n")
	for _, r := range rows {
		if r.missing != "" {
			fmt.Fprintf(&text, "| %s | not measured: %s |%s\n", r.name, strings.ReplaceAll(r.missing, "|", "/"), strings.Repeat(" |", 13))
			continue
		}
		shown := "–"
		if r.saves > 0 {
			shown = fmt.Sprintf("%d of %d", r.shown, r.saves)
		}
		cells := []string{
			r.name, shown, spread(r.total), spread(r.builds), spread(r.rest), spread(r.alone), spread(r.config),
			fmt.Sprint(r.counts.requests), fmt.Sprint(r.counts.failures()) + detail(r.counts.failed), fmt.Sprint(r.doubled),
			fmt.Sprint(r.counts.mixed), ms(r.counts.longest), cmp.Or(r.broken, "–"), cmp.Or(r.crash, "–"), ms(r.stopped),
		}
		if r.left != "" {
			cells[len(cells)-1] += ", " + r.left
		}
		text.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	return text.String()
}

func verdicts(promises []promise) string {
	var text strings.Builder
	text.WriteString("| | promise | measured | limit |\n| --- | --- | --- | --- |\n")
	for _, p := range promises {
		verdict := "PASS"
		if !p.kept {
			verdict = "**FAIL**"
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", verdict, p.text, p.measured, p.limit)
	}
	return text.String()
}

// spread shows the median and the longest.
func spread(times []time.Duration) string {
	if len(times) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s / %s", strings.TrimSuffix(ms(median(times)), " ms"), ms(slices.Max(times)))
}

// detail lists kinds of failures, the most frequent first.
func detail(failed map[string]int) string {
	kinds := slices.SortedFunc(maps.Keys(failed), func(a, b string) int { return cmp.Or(failed[b]-failed[a], strings.Compare(a, b)) })
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%s %d", kind, failed[kind])
	}
	if len(kinds) == 0 {
		return ""
	}
	return " (" + strings.Join(kinds, ", ") + ")"
}
