package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// pkce checks the verifier of a code grant as RFC 7636 says.
func (c *fakeCoder) pkce(form url.Values) string {
	entry, verifier := c.issued[form.Get("code")], form.Get("code_verifier")
	switch {
	case (entry == nil || entry.challenge == "") && verifier == "":
		return "absent"
	case entry == nil || entry.challenge == "":
		return "unexpected"
	case verifier == "":
		return "missing"
	}
	expected := verifier
	if entry.method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		expected = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if expected != entry.challenge {
		return "mismatch"
	}
	return "verified"
}

func (c *fakeCoder) tokens(w http.ResponseWriter, rec record) {
	mode, form := c.modes["tokens"], rec.form
	invalid := func(why string) {
		reply(w, 400, `{"error":"invalid_grant","error_description":"`+why+`"}`)
	}
	switch mode {
	case "400-invalid_grant":
		invalid("The authorization code is invalid or expired")
		return
	case "401-invalid_client":
		w.Header().Set("WWW-Authenticate", `Basic realm="coder"`)
		reply(w, 401, `{"error":"invalid_client","error_description":"The client credentials are invalid"}`)
		return
	case "json-without-token":
		reply(w, 200, `{"token_type":"Bearer","expires_in":86400}`)
		return
	}
	if form.Get("grant_type") == "authorization_code" {
		entry := c.issued[form.Get("code")]
		switch {
		case entry != nil && entry.used:
			invalid("The authorization code was already used")
			return
		case rec.pkce == "mismatch" || rec.pkce == "missing":
			invalid("The PKCE code verifier is invalid")
			return
		case mode == "pkce-required" && rec.pkce != "verified":
			invalid("A PKCE code verifier is required")
			return
		}
		if entry != nil {
			entry.used = true
		}
	}
	c.given++
	answer := map[string]any{
		"access_token": fmt.Sprintf("wire-access-token-%d", c.given), "token_type": "Bearer", "expires_in": 86400,
		"refresh_token": "wire-refresh-token-1", "expiry": "2031-05-05T05:05:05Z",
	}
	if form.Get("grant_type") == "refresh_token" {
		answer["refresh_token"] = form.Get("refresh_token")
	}
	switch mode {
	case "token-with-quotes":
		answer["access_token"] = nastyToken
	case "token-script":
		answer["access_token"] = "x' }, '*'); alert('injected'); window.opener.postMessage({ type: 'injected', token: '"
	case "token-not-a-string":
		answer["access_token"] = map[string]any{"nested": []string{"wire-access-token"}}
	case "rotate-refresh":
		answer["refresh_token"] = fmt.Sprintf("wire-refresh-token-%d", c.given)
	case "no-refresh-token":
		delete(answer, "refresh_token")
	case "big-refresh-token":
		answer["refresh_token"] = bigToken(c.does.Size, c.given)
	}
	if mode == "form-encoded-token" {
		fields := url.Values{}
		for name, value := range answer {
			fields.Set(name, fmt.Sprint(value))
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
		_, _ = io.WriteString(w, fields.Encode())
		return
	}
	raw, _ := json.Marshal(answer)
	text := string(raw)
	if mode == "huge-body" {
		text = `{"padding":"` + strings.Repeat("x", 32<<20) + `",` + text[1:]
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, 200, text)
}

// bigToken returns a refresh token without repetitions, so that wrongly joined chunks are noticed.
func bigToken(size, salt int) string {
	var out bytes.Buffer
	fmt.Fprintf(&out, "big-%d-", salt)
	for i := int64(0); out.Len() < size; i++ {
		out.WriteString(strconv.FormatInt(i, 36) + ".")
	}
	return out.String()[:size]
}
