// Package appconfig loads app-config files exactly as Backstage's @backstage/config-loader does, and reads
// them as @backstage/config does.
package appconfig

// Config is a loaded configuration: layers, lowest first, read key by key. It is immutable and safe for
// concurrent use.
type Config struct{}
