package logging

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"
	"sort"
	"strings"
)

// striker replaces every one of many texts by mark. What it costs depends on the text that it reads, not on how many there are
// to find: it looks at four bytes here and there, and one look at a table tells that they are of none.
type striker struct {
	forms  []string // sorted
	parent []int    // by form: the longest other form that it begins with, or -1
	begins map[uint32]span
	first  filter // the first four bytes of all forms
	some   filter // four bytes of all forms, at the places below stride
	stride int
}

// span is a range of forms.
type span struct{ begin, end int }

// maxStride is how far apart the places are at which a striker looks. Forms of fewer than maxStride+3 bytes need nearer ones.
const maxStride = 4

// newStriker returns a striker of forms, each of four bytes or more.
func newStriker(forms iter.Seq[string]) *striker {
	s := &striker{forms: slices.Compact(slices.Sorted(forms)), begins: map[uint32]span{}, stride: maxStride}
	s.parent = make([]int, len(s.forms))
	for i, form := range s.forms {
		s.stride = min(s.stride, len(form)-3)
		s.parent[i] = i - 1
		for s.parent[i] >= 0 && !strings.HasPrefix(form, s.forms[s.parent[i]]) {
			s.parent[i] = s.parent[s.parent[i]]
		}
		four := fourBytes([]byte(form))
		if found, ok := s.begins[four]; ok {
			s.begins[four] = span{found.begin, i + 1}
		} else {
			s.begins[four] = span{i, i + 1}
		}
	}
	s.first, s.some = newFilter(len(s.begins)), newFilter(len(s.forms)*s.stride)
	for _, form := range s.forms {
		s.first.add(fourBytes([]byte(form)))
		for i := range s.stride {
			s.some.add(fourBytes([]byte(form[i:])))
		}
	}
	return s
}

// strike returns text with mark in place of each form, of two that begin at one place the longer one.
func (s *striker) strike(text []byte) []byte {
	if len(s.forms) == 0 {
		return text
	}
	var out []byte
	kept := 0 // where what is not in out yet begins
	for i := s.stride - 1; i+4 <= len(text); i += s.stride {
		if !s.some.has(fourBytes(text[i:])) {
			continue
		}
		if begin, end := s.find(text, i-s.stride+1, i); end > 0 {
			out = append(append(out, text[kept:begin]...), mark...)
			kept, i = end, end-1
		}
	}
	if kept == 0 {
		return text // the usual case
	}
	return append(out, text[kept:]...)
}

// find returns the first form in text that begins at a place from first to last. If there is none, end is 0.
func (s *striker) find(text []byte, first, last int) (begin, end int) {
	for i := first; i <= last; i++ {
		four := fourBytes(text[i:])
		if !s.first.has(four) {
			continue
		}
		if among, ok := s.begins[four]; ok {
			if n := s.length(text[i:], among); n > 0 {
				return i, i + n
			}
		}
	}
	return 0, 0
}

// length returns the length of the longest form, of a range, that text begins with: 0 if it begins with none.
func (s *striker) length(text []byte, among span) int {
	// It is the last one up to text in their order, or that one begins with it as well.
	after := sort.Search(among.end-among.begin, func(i int) bool { return s.forms[among.begin+i] > string(text) })
	for i := among.begin + after - 1; i >= among.begin; i = s.parent[i] {
		if n := len(s.forms[i]); n <= len(text) && s.forms[i] == string(text[:n]) {
			return n
		}
	}
	return 0
}

func fourBytes(text []byte) uint32 { return binary.LittleEndian.Uint32(text) }

// filter tells that four bytes are not in a set, or else that they may be.
type filter struct {
	table []uint64 // a bit for each hash
	shift int
}

// newFilter returns a filter for n members. Of 16 bits it sets one at most.
func newFilter(n int) filter {
	size := max(12, bits.Len(uint(16*n)))
	return filter{make([]uint64, 1<<(size-6)), 32 - size}
}

// hash spreads four bytes over the table: the factor is 2^32 divided by the golden ratio.
func (f filter) hash(four uint32) uint32 { return four * 0x9E3779B1 >> f.shift }

func (f filter) add(four uint32) { h := f.hash(four); f.table[h/64] |= 1 << (h % 64) }

func (f filter) has(four uint32) bool { h := f.hash(four); return f.table[h/64]>>(h%64)&1 != 0 }
