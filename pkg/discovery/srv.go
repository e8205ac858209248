package discovery

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// srvSuffix is at the end of the scheme of a URL whose host is the name of an SRV record.
const srvSuffix = "+srv"

// lookupTimeout limits the lookup of an SRV record.
const lookupTimeout = 5 * time.Second

// Resolve returns target with the host and the port of its SRV record. A URL of another kind is returned as it is.
func Resolve(ctx context.Context, r *net.Resolver, target string) (string, error) {
	scheme, _, _ := strings.Cut(target, "://")
	base, srv := strings.CutSuffix(scheme, srvSuffix)
	if !srv {
		return target, nil
	}
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	_, records, err := r.LookupSRV(ctx, "", "", u.Host)
	if err != nil {
		return "", fmt.Errorf("SRV resolution of %s failed: %w", u.Host, err)
	}
	if len(records) == 0 || records[0].Target == "." { // RFC 2782: the service is not there
		return "", fmt.Errorf("no SRV records found for %s", u.Host)
	}
	// The records with the lowest priority come first, in an order that their weights decide.
	host := net.JoinHostPort(strings.TrimSuffix(records[0].Target, "."), strconv.Itoa(int(records[0].Port)))
	return base + "://" + host + u.EscapedPath(), nil
}
