// Package duration reads durations from a configuration as Backstage's readDurationFromConfig does.
package duration

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

const day = 24 * time.Hour

// The units of Backstage's HumanDuration, and their lengths as its durationToMilliseconds counts them.
var (
	units   = []string{"years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"}
	lengths = []time.Duration{365 * day, 30 * day, 7 * day, day, time.Hour, time.Minute, time.Second, time.Millisecond}
)

// isoDuration is an ISO 8601 duration: its groups are the units above, without the last.
var isoDuration = regexp.MustCompile(`^P(?:([\d.]+)Y)?(?:([\d.]+)M)?(?:([\d.]+)W)?(?:([\d.]+)D)?` +
	`(?:T(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.,]+)S)?)?$`)

// msDuration is a number with a unit as npm's ms spells it, and msLengths are the lengths of its units: the year
// of ms has 365.25 days.
var (
	msDuration = regexp.MustCompile(`^(?i)([\d.]+) *(?:(years?|yrs?|y)|(weeks?|w)|(days?|d)|(hours?|hrs?|h)|` +
		`(minutes?|mins?|m)|(seconds?|secs?|s)|(milliseconds?|msecs?|ms))$`)
	msLengths = []time.Duration{8766 * time.Hour, 7 * day, day, time.Hour, time.Minute, time.Second, time.Millisecond}
)

// Read returns the duration at key, which is an object such as {hours: 24}, an ISO 8601 string such as P1D, or
// a number with a unit such as "24h". It returns 0 if there is none. Errors say what is wrong with the value;
// only those of the config itself name the key.
func Read(config *appconfig.Config, key string) (time.Duration, error) {
	given, ok, err := config.GetOptional(key)
	if err != nil || !ok {
		return 0, err
	}
	// Nanoseconds as a float: a value that is too large for a time.Duration does not wrap.
	var length float64
	switch v := given.(type) {
	case string:
		length, err = parse(strings.TrimSpace(v))
	case *value.Object:
		length, err = sum(config, key, v.Keys())
	default:
		err = errors.New("expected an object such as {hours: 24} or a string such as '24h' or 'P1D'")
	}
	if err == nil && (length < 0 || length > float64(math.MaxInt64/2)) {
		err = errors.New("out of range")
	}
	return time.Duration(length), err
}

// sum adds up the members of an object such as {hours: 24}.
func sum(config *appconfig.Config, key string, members []string) (float64, error) {
	total := 0.0
	for _, member := range members {
		i := slices.Index(units, member)
		if i < 0 {
			return 0, fmt.Errorf("unknown unit '%s', expected one of %s", member, strings.Join(units, ", "))
		}
		number, err := config.GetNumber(key + "." + member)
		if err != nil {
			return 0, err
		}
		total += number * float64(lengths[i])
	}
	if len(members) == 0 {
		return 0, errors.New("expected one or more of " + strings.Join(units, ", "))
	}
	return total, nil
}

// parse returns the nanoseconds of a string in either form.
func parse(s string) (float64, error) {
	if match := isoDuration.FindStringSubmatch(s); match != nil && strings.Join(match[1:], "") != "" {
		total := 0.0
		for i, number := range match[1:] {
			n, err := strconv.ParseFloat(cmp.Or(strings.Replace(number, ",", ".", 1), "0"), 64)
			if err != nil {
				return 0, err
			}
			total += n * float64(lengths[i])
		}
		return total, nil
	}
	match := msDuration.FindStringSubmatch(s)
	if match == nil {
		return 0, errors.New("not a duration, expected a string such as '24h' or 'P1D'")
	}
	n, err := strconv.ParseFloat(match[1], 64)
	unit := slices.IndexFunc(match[2:], func(name string) bool { return name != "" })
	return n * float64(msLengths[unit]), err
}
