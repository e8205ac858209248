package plugin

// Discovery tells where plugins are reached from outside: Backstage's discovery API with one host.
type Discovery struct {
	baseURL string
}

// NewDiscovery returns a Discovery for a backend at baseURL (`backend.baseUrl`, no trailing slash).
func NewDiscovery(baseURL string) Discovery { return Discovery{baseURL: baseURL} }

// ExternalBaseURL returns the URL at which browsers reach what is mounted at path below /api:
// "https://backstage.example.com/api/auth/coder" for "/auth/coder". It never depends on a request.
func (d Discovery) ExternalBaseURL(path string) string { return d.baseURL + "/api" + path }
