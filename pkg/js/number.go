package js

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// ParseNumber converts a string as JavaScript's Number does, and reports whether the result is finite. "Infinity" is
// not a number here.
func ParseNumber(s string) (float64, bool) {
	s = Trim(s)
	if s == "" {
		return 0, true
	}
	number, ok := ParseDecimal(s)
	if len(s) > 2 && s[0] == '0' {
		if base := map[byte]int{'x': 16, 'o': 8, 'b': 2}[s[1]|0x20]; base > 0 {
			number, ok = ParseDigits(s[2:], base)
		}
	}
	return number, ok && !math.IsInf(number, 0)
}

// ParseDigits converts the digits of a whole number in a base to the nearest double, which may be infinite.
func ParseDigits(digits string, base int) (float64, bool) {
	n, err := strconv.ParseUint(digits, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		n, _ := new(big.Int).SetString(digits, base)
		number, _ := new(big.Float).SetInt(n).Float64()
		return number, true
	}
	return float64(n), err == nil
}

var decimal = regexp.MustCompile(`^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$`)

// ParseDecimal converts a decimal number: a sign, digits with or without a point, an exponent. Only digits on one
// side of the point are required. A number that is out of a double's range is infinite.
func ParseDecimal(s string) (float64, bool) {
	if !decimal.MatchString(s) {
		return 0, false
	}
	number, _ := strconv.ParseFloat(s, 64) // out of range is infinite in JavaScript too
	return number, true
}

// FormatNumber writes a number as JavaScript's String does.
func FormatNumber(n float64) string {
	switch {
	case math.IsNaN(n):
		return "NaN"
	case math.IsInf(n, 1):
		return "Infinity"
	case math.IsInf(n, -1):
		return "-Infinity"
	case n == 0:
		return "0"
	}
	if size := math.Abs(n); size >= 1e-6 && size < 1e21 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	s := strconv.FormatFloat(n, 'e', -1, 64)
	return strings.NewReplacer("e-0", "e-", "e+0", "e+").Replace(s) // e-07 is e-7 in JavaScript
}

// ArrayIndex returns the number that a property's name stands for, and whether it is what ECMAScript calls an array
// index: the canonical form of an integer from 0 to 2³²−2. Such properties come first in an object.
func ArrayIndex(name string) (uint64, bool) {
	if name == "" || len(name) > 10 || name[0] < '0' || name[0] > '9' || (name[0] == '0' && len(name) > 1) {
		return 0, false
	}
	n, err := strconv.ParseUint(name, 10, 64)
	return n, err == nil && n < math.MaxUint32
}
