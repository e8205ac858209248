package appschema

import "strings"

// nearest returns the known name that another one is like: it differs by a letter, or by two if it is long. It is "" if there is none.
func nearest(name string, known []string) (near string) {
	best := 2
	if len(name) >= 8 {
		best = 3
	}
	for _, other := range known {
		if min(len(name), len(other)) < 3 {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(other)); d < best {
			near, best = other, d
		}
	}
	return near
}

// distance returns how many letters have to be added, left out, replaced or swapped with the next one to make one word of another.
func distance(a, b string) int {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return 3
	}
	var before, last, row []int
	for i := range len(a) + 1 {
		before, last, row = last, row, make([]int, len(b)+1)
		for j := range row {
			if i == 0 || j == 0 {
				row[j] = i + j
				continue
			}
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
