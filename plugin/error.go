package plugin

import "strings"

// An Error is an error of a plugin. Each line of its text names the plugin.
type Error struct {
	ID  string
	Err error
}

// Named returns err as an error of the plugin, nil for nil.
func (p Plugin) Named(err error) error {
	if err == nil {
		return nil
	}
	return &Error{p.ID, err}
}

func (e *Error) Error() string {
	prefix := "plugin " + e.ID + ": "
	return prefix + strings.ReplaceAll(e.Err.Error(), "\n", "\n"+prefix)
}

// Unwrap returns the error as the plugin made it.
func (e *Error) Unwrap() error { return e.Err }
