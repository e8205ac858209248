package coder

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
)

// newState returns a state parameter in Backstage's form, the hex of a query string that begins with a nonce.
// fields are the names and values of the other parameters.
func newState(fields ...string) (state, nonce string) {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the program instead
	nonce = base64.StdEncoding.EncodeToString(random)
	query := []string{"nonce=" + url.QueryEscape(nonce)}
	for i := 0; i < len(fields); i += 2 {
		query = append(query, fields[i]+"="+url.QueryEscape(fields[i+1]))
	}
	return hex.EncodeToString([]byte(strings.Join(query, "&"))), nonce
}

// readState is Backstage's decodeOAuthState. Nothing in a state can be trusted.
func readState(state string) (map[string]string, error) {
	// As Node's Buffer.from(…, "hex"), it reads up to the first character that is not a hex digit.
	raw := make([]byte, hex.DecodedLen(len(state)))
	n, _ := hex.Decode(raw, []byte(state[:len(state)&^1]))
	fields := make(map[string]string)
	for name, values := range express.ParseQuery(string(raw[:n])) {
		fields[name] = values[len(values)-1]
	}
	for _, name := range []string{"env", "nonce"} {
		if fields[name] == "" {
			return fields, apierror.NotAllowed("OAuth state is invalid, missing " + name)
		}
	}
	return fields, nil
}

// isLegacyState reports whether state is one of the legacy frontend: the base64 of JSON with a returnTo. That
// frontend does not percent-encode it, so a "+" arrives as a blank, and a "=" may be lost.
func isLegacyState(state string) bool {
	if len(state) > 8<<10 {
		return false
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.ReplaceAll(state, " ", "+"), "="))
	if err != nil || !bytes.HasPrefix(raw, []byte("{")) {
		return false
	}
	var legacy struct {
		ReturnTo *string `json:"returnTo"`
	}
	return json.Unmarshal(raw, &legacy) == nil && legacy.ReturnTo != nil
}

// stateParam returns the state parameter. If it is repeated with the same value, it counts once.
func stateParam(query express.Query) string {
	if all := query["state"]; len(all) > 1 && len(slices.Compact(slices.Clone(all))) == 1 {
		return all[0]
	}
	return query.Get("state")
}
