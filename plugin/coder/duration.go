package coder

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// Lengths of the units of Backstage's HumanDuration, as durationToMilliseconds counts them.
var humanUnits = map[string]time.Duration{
	"years": 365 * day, "months": 30 * day, "weeks": 7 * day, "days": day, "hours": time.Hour,
	"minutes": time.Minute, "seconds": time.Second, "milliseconds": time.Millisecond,
}

// Units and their names, as error texts list them.
const (
	day       = 24 * time.Hour
	unitNames = "years, months, weeks, days, hours, minutes, seconds, milliseconds"
)

// The two kinds of texts that Backstage's readDurationFromConfig takes; compiled once.
var (
	isoDuration = regexp.MustCompile(`^P(?:([\d.]+)Y)?(?:([\d.]+)M)?(?:([\d.]+)W)?(?:([\d.]+)D)?` +
		`(?:T(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?)?$`)
	isoUnits = []time.Duration{365 * day, 30 * day, 7 * day, day, time.Hour, time.Minute, time.Second}

	// The spellings of npm's ms, which has a year of 365.25 days.
	msDuration = regexp.MustCompile(`^(?i)([\d.]+) *(milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|` +
		`hours?|hrs?|h|days?|d|weeks?|w|years?|yrs?|y)$`)
	msUnits = []struct {
		prefix string
		length time.Duration
	}{
		{"ms", time.Millisecond},
		{"milli", time.Millisecond},
		{"s", time.Second},
		{"m", time.Minute},
		{"h", time.Hour},
		{"d", day},
		{"w", 7 * day},
		{"y", 8766 * time.Hour},
	}
)

// readDuration reads a duration in any of the forms that Backstage takes: an object such as {hours: 24}, an
// ISO 8601 text such as P1D, or a number with a unit such as "24h". None is 0.
func readDuration(config *appconfig.Config, key string) (time.Duration, error) {
	v, ok, err := config.GetOptional(key)
	if err != nil || !ok {
		return 0, err
	}
	// Nanoseconds as a float: what is too long for a time.Duration shows below instead of wrapping.
	var length float64
	switch v := v.(type) {
	case string:
		length, err = parseDuration(strings.TrimSpace(v))
	case *value.Object:
		length, err = sumDuration(config, key, v)
	default:
		err = errors.New("expected an object such as {hours: 24} or a text such as '24h' or 'P1D'")
	}
	if err == nil && (length < 0 || length > float64(math.MaxInt64/2)) {
		err = errors.New("out of range")
	}
	return time.Duration(length), err
}

// sumDuration adds up the members of an object such as {hours: 24}.
func sumDuration(config *appconfig.Config, key string, object *value.Object) (float64, error) {
	total := 0.0
	for _, unit := range object.Keys() {
		length, known := humanUnits[unit]
		if !known {
			return 0, fmt.Errorf("unknown unit '%s', expected one of %s", unit, unitNames)
		}
		number, err := config.GetNumber(key + "." + unit)
		if err != nil {
			return 0, err
		}
		total += number * float64(length)
	}
	if object.Len() == 0 {
		return 0, errors.New("needs one or more of " + unitNames)
	}
	return total, nil
}

// parseDuration reads a text in ISO 8601 or with a unit, in nanoseconds.
func parseDuration(text string) (float64, error) {
	if match := isoDuration.FindStringSubmatch(text); match != nil && strings.Join(match[1:], "") != "" {
		total := 0.0
		for i, number := range match[1:] {
			if number == "" {
				continue
			}
			n, err := strconv.ParseFloat(number, 64)
			if err != nil {
				return 0, err
			}
			total += n * float64(isoUnits[i])
		}
		return total, nil
	}
	match := msDuration.FindStringSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("'%s' is not a duration, expected a text such as '24h' or 'P1D'", text)
	}
	n, err := strconv.ParseFloat(match[1], 64)
	for _, unit := range msUnits {
		if strings.HasPrefix(strings.ToLower(match[2]), unit.prefix) {
			return n * float64(unit.length), err
		}
	}
	return 0, err
}
