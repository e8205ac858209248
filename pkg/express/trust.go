package express

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ranges are the names of npm's proxy-addr.
var ranges = map[string][]string{
	"linklocal":   {"169.254.0.0/16", "fe80::/10"},
	"loopback":    {"127.0.0.1/8", "::1/128"},
	"uniquelocal": {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"},
}

// CompileTrust compiles a value of express' setting "trust proxy": true or false, how many proxies there are, or their
// addresses, networks and named ranges, in a list or separated by commas. trusts reports whether the proxy at an address, that
// many hops in front of the nearest one, is trusted. nil is false.
func CompileTrust(value any) (trusts func(address string, hop int) bool, err error) {
	var entries []string
	switch value := value.(type) {
	case nil:
	case bool:
		return func(string, int) bool { return value }, nil
	case float64:
		return func(_ string, hop int) bool { return float64(hop) < value }, nil
	case string:
		entries = strings.Split(value, ",")
	case []any:
		for _, entry := range value {
			entry, ok := entry.(string)
			if !ok {
				return nil, errors.New("an entry is not a string")
			}
			entries = append(entries, entry)
		}
	default:
		return nil, fmt.Errorf("it is a %T", value)
	}
	var networks []netip.Prefix
	for i, entry := range entries {
		entry = strings.TrimSpace(entry)
		list := ranges[entry]
		if list == nil {
			list = []string{entry}
		}
		for _, text := range list {
			network, ok := parseNetwork(text)
			if !ok {
				return nil, fmt.Errorf("entry %d is no IP address, network or name of a range", i+1)
			}
			networks = append(networks, network)
		}
	}
	return func(address string, _ int) bool {
		ip, err := netip.ParseAddr(address)
		if err != nil { // a unix socket
			return false
		}
		ip = ip.Unmap().WithZone("")
		return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(ip) })
	}, nil
}

// parseNetwork parses an address, or one with the length of a prefix or an IPv4 mask.
func parseNetwork(text string) (network netip.Prefix, ok bool) {
	head, tail, ranged := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(head)
	if err != nil || ip.Zone() != "" {
		return network, false
	}
	if !ranged {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	length, err := strconv.ParseUint(tail, 10, 8)
	bits := int(length) //nolint:gosec // at most 255
	if mask, maskErr := netip.ParseAddr(tail); maskErr == nil && mask.Is4() && ip.Is4() {
		bits, _ = net.IPMask(mask.AsSlice()).Size() // 0 if ones are behind a zero
		err = nil
	}
	if err != nil || bits == 0 {
		return network, false
	}
	if ip.Is4In6() && bits >= 96 { // it spans IPv4
		ip, bits = ip.Unmap(), bits-96
	}
	network = netip.PrefixFrom(ip, bits)
	return network, network.IsValid()
}
