package plugin

import "github.com/understudy-host/understudy/pkg/appconfig"

// BootPolicy says which plugins may fail at the start of a host without stopping it: backend.startup, read as
// @backstage/backend-app-api does.
type BootPolicy struct {
	others  string // for plugins without a value of their own
	plugins map[string]string
}

// ReadBootPolicy reads backend.startup. The schema of the host knows which values there are; any but "continue" is
// "abort".
func ReadBootPolicy(config *appconfig.Config) (BootPolicy, error) {
	const key = "onPluginBootFailure"
	p := BootPolicy{plugins: map[string]string{}}
	var err error
	if p.others, _, err = config.GetOptionalString("backend.startup.default." + key); err != nil {
		return p, err
	}
	section, ok, err := config.GetOptionalConfig("backend.startup.plugins")
	if err != nil || !ok {
		return p, err
	}
	for _, id := range section.Keys() {
		own, err := section.GetConfig(id)
		if err != nil {
			return p, err
		}
		if p.plugins[id], _, err = own.GetOptionalString(key); err != nil {
			return p, err
		}
	}
	return p, nil
}

// Permits reports whether the plugin may fail at the start.
func (p BootPolicy) Permits(id string) bool {
	if own := p.plugins[id]; own != "" {
		return own == "continue"
	}
	return p.others == "continue"
}
