package appconfig

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// coreNumber converts a number in YAML 1.2's core schema.
func coreNumber(text string) (float64, bool) {
	if rest, ok := strings.CutPrefix(text, "0o"); ok {
		return parseDigits(rest, 8)
	}
	if rest, ok := strings.CutPrefix(text, "0x"); ok {
		return parseDigits(rest, 16)
	}
	if number, ok := specialNumber(text); ok {
		return number, true
	}
	return parseDecimal(text)
}

// specialNumber converts the numbers that have names.
func specialNumber(text string) (float64, bool) {
	switch text {
	case ".nan", ".NaN", ".NAN":
		return math.NaN(), true
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return math.Inf(1), true
	case "-.inf", "-.Inf", "-.INF":
		return math.Inf(-1), true
	}
	return 0, false
}

// parseNumber converts a text as JavaScript's Number does, and tells whether the result is finite.
func parseNumber(text string) (float64, bool) {
	text = trim(text)
	if text == "" {
		return 0, true
	}
	number, ok := parseDecimal(text)
	if len(text) > 2 && text[0] == '0' {
		if base := map[byte]int{'x': 16, 'o': 8, 'b': 2}[text[1]|0x20]; base > 0 {
			number, ok = parseDigits(text[2:], base)
		}
	}
	return number, ok && !math.IsInf(number, 0)
}

// parseDigits converts the digits of a whole number in a base to the nearest double, which may be infinite.
func parseDigits(digits string, base int) (float64, bool) {
	if digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	if n, err := strconv.ParseUint(digits, base, 53); err == nil {
		return float64(n), true
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return 0, false
	}
	number, _ := new(big.Float).SetInt(n).Float64()
	return number, true
}

// parseDecimal converts a decimal number: a sign, digits with or without a point, an exponent, in which only
// digits on either side of the point are a must. It is infinite where a double is too small for it.
func parseDecimal(text string) (float64, bool) {
	i := 0
	digits := func() bool {
		begin := i
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		return i > begin
	}
	sign := func() {
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
	}
	sign()
	some := digits()
	if i < len(text) && text[i] == '.' {
		i++
		some = digits() || some
	}
	if !some {
		return 0, false
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		sign()
		if !digits() {
			return 0, false
		}
	}
	if i < len(text) {
		return 0, false
	}
	number, _ := strconv.ParseFloat(text, 64) // out of range is infinite in JavaScript too
	return number, true
}

func isDigit(ch byte) bool { return ch >= '0' && ch <= '9' }
