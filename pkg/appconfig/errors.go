package appconfig

import (
	"fmt"
	"math"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// A MissingError says that no layer has a required value: Backstage's "Missing required config value at …".
type MissingError struct {
	Key   string // the full path
	Layer string // the context of the topmost layer
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("Missing required config value at '%s' in '%s'", e.Key, e.Layer)
}

// A TypeError says that a value has another type than the one asked for.
type TypeError struct {
	Key    string // the full path
	Layer  string // the context of the layer that holds the value
	Got    string // "string", "array", "null", "empty-string", "nan", …
	Wanted string
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("Invalid type in config for key '%s' in '%s', got %s, wanted %s",
		e.Key, e.Layer, e.Got, e.Wanted)
}

// A ConvertError says that a string is not a number or a boolean. It does not repeat the string, which may be
// a secret.
type ConvertError struct {
	Key    string // the full path
	Layer  string // the context of the topmost layer, which need not be the one that holds the value
	Wanted string
}

func (e *ConvertError) Error() string {
	return fmt.Sprintf("Unable to convert config value for key '%s' in '%s' to a %s", e.Key, e.Layer, e.Wanted)
}

// An InvalidKeyError says that a key has a form that Backstage does not allow.
type InvalidKeyError struct{ Key string }

func (e *InvalidKeyError) Error() string { return fmt.Sprintf("Invalid config key '%s'", e.Key) }

// typeOf names the type of a value as Backstage's errors do.
func typeOf(v any) string {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) {
			return "nan"
		}
	case string:
		if v == "" {
			return "empty-string"
		}
	}
	return value.TypeOf(v)
}

// A LoadError says why a source cannot be loaded.
type LoadError struct {
	Path string // the file or URL
	Err  error

	remote bool
}

func (e *LoadError) Error() string {
	if e.remote {
		return fmt.Sprintf("Failed to read config from %s, %v", e.Path, e.Err)
	}
	return fmt.Sprintf(`Failed to read config file at "%s", %v`, e.Path, e.Err)
}

func (e *LoadError) Unwrap() error { return e.Err }

// A WatchError says that changes cause no events: in a folder, of a provider, or anywhere. Watch still notices
// changed files, but only when it polls. If Err is nil, that is over for the files.
type WatchError struct{ Err error }

func (e *WatchError) Error() string {
	if e.Err == nil {
		return "the files are watched again"
	}
	return "cannot watch " + e.Err.Error()
}

func (e *WatchError) Unwrap() error { return e.Err }

// A NotFoundError says that a file does not exist.
type NotFoundError struct {
	Path    string
	problem string
}

func (e *NotFoundError) Error() string { return e.problem }

// textError is an error with Backstage's exact text.
type textError string

func (e textError) Error() string { return string(e) }
