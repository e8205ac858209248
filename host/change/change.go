// Package change says in one line of the log what a reload has put into use, and what not. It names keys and no values.
package change

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// most is how many keys a line names.
const most = 20

// A Part is a part of the host that has used a changed configuration, or refused it.
type Part struct {
	Name string   // "server", "plugin coder"
	Keys []string // the changed keys that it reads; "" if it uses the configuration anew whatever has changed
	Err  error
}

// A Report is what became of a configuration that was put into use.
type Report struct {
	Changed []string // the keys that differ from the last configuration
	Restart []string // keys that differ from what runs and are read only at the start, or what they begin with
	Hidden  []string // keys that differ from those at the start, and that the host itself has set meanwhile
	Parts   []Part

	Warnings []string // of something else that this configuration has brought
}

// Refused logs that a configuration is not used at all.
func Refused(log *zap.Logger, changed []string, err error) {
	log.Error("the changed config is not used: it has an error", zap.Strings("changed", listed(changed)), zap.Error(err))
}

// Log logs one line at level info or above, and at level debug the changed keys that nothing here reads.
func (r Report) Log(log *zap.Logger) {
	var used, unused []string
	var errs []error
	read := slices.Clone(r.Hidden)
	for _, part := range r.Parts {
		read = append(read, part.Keys...)
		if part.Err != nil {
			unused, errs = append(unused, part.Name+": it has an error"), append(errs, part.Err)
		} else if len(Under(part.Keys, r.Restart...)) < len(part.Keys) {
			used = append(used, part.Name)
		}
	}
	for _, key := range listed(r.Restart) {
		unused = append(unused, key+": restart the host to put it into use")
	}
	for _, key := range listed(r.Hidden) {
		unused = append(unused, key+": this host has set it itself")
	}
	unread := Without(r.Changed, read)
	if len(unread) > 0 {
		log.Debug("nothing here reads some changed keys of the config", zap.Strings("keys", listed(unread)))
	}
	fields := []zap.Field{zap.Strings("changed", listed(r.Changed)), zap.Strings("inUse", used)}
	level, message := zapcore.InfoLevel, "the changed config is in use"
	switch {
	case errs != nil:
		level, message = zapcore.ErrorLevel, "a part of the changed config is not used: it has an error"
		fields = append(fields, zap.Strings("notInUse", unused), zap.Error(errors.Join(errs...)))
	case len(r.Restart) > 0:
		level, message = zapcore.WarnLevel, "a part of the changed config is not used: restart the host to put it into use"
		fields = append(fields, zap.Strings("notInUse", unused))
	case len(r.Hidden) > 0:
		level, message = zapcore.WarnLevel, "a part of the changed config is not used: this host has set it itself"
		fields = append(fields, zap.Strings("notInUse", unused))
	case used == nil && len(unread) > 0:
		message, fields = "the changed config has no effect here: nothing here reads the keys that changed", []zap.Field{zap.Int("keys", len(unread))}
	}
	if r.Warnings != nil {
		level, fields = max(level, zapcore.WarnLevel), append(fields, zap.Strings("warnings", r.Warnings))
	}
	log.Log(level, message, fields...)
}

// Under returns those keys that are one of sections, or in one.
func Under(keys []string, sections ...string) (found []string) {
	for _, key := range keys {
		if slices.ContainsFunc(sections, func(section string) bool { return key == section || strings.HasPrefix(key, section+".") }) {
			found = append(found, key)
		}
	}
	return found
}

// Without returns those keys that are not among others.
func Without(keys, others []string) []string {
	among := map[string]bool{}
	for _, key := range others {
		among[key] = true
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return among[key] })
}

// listed returns the first keys, and how many more there are.
func listed(keys []string) []string {
	if len(keys) <= most {
		return keys
	}
	return append(slices.Clone(keys[:most]), fmt.Sprintf("and %d more", len(keys)-most))
}
