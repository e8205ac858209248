// Package activation gives a backend the sockets that systemd has opened for it (sd_listen_fds(3)): a restart then
// refuses no connection, and a port below 1024 needs no privilege.
package activation

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"

	systemd "github.com/coreos/go-systemd/v22/activation"

	"github.com/understudy-host/understudy/pkg/httpserver"
)

// Sockets are the sockets that a process was given and that nobody has taken yet. It is safe for concurrent use.
type Sockets struct {
	mu     sync.Mutex
	byName map[string][]net.Listener
}

// Inherit takes the sockets of the process: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say which. It removes these variables,
// and can be called once.
func Inherit() *Sockets {
	byName, _ := systemd.ListenersWithNames() // it never fails
	return &Sockets{byName: byName}
}

// Listen returns the socket with a name. If there is none it listens on address. A single socket is the one of the backend
// whatever its name is: systemd names it after its unit if FileDescriptorName is not set.
func (s *Sockets) Listen(ctx context.Context, name, address string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := name
	if all := slices.Collect(maps.Keys(s.byName)); name == httpserver.SocketName && len(all) == 1 && len(s.byName[all[0]]) == 1 {
		taken = all[0]
	}
	list := s.byName[taken]
	if len(list) == 0 {
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
	if s.byName[taken] = list[1:]; len(list) == 1 {
		delete(s.byName, taken)
	}
	return list[0], nil
}

// Unused returns the names of the sockets that nobody has taken.
func (s *Sockets) Unused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.byName))
}
