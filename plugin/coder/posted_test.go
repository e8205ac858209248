package coder

import (
	"bytes"
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"testing"
)

// posted is what a page posts to its opener.
type posted struct {
	Messages []struct {
		Data struct {
			Type, Token, TargetOrigin, Message string
			Response                           struct {
				Profile      profileInfo
				ProviderInfo struct {
					AccessToken string
					Scope       string
				}
				BackstageIdentity json.RawMessage
			}
			Error json.RawMessage
		}
		Origins []string
	}
	Close int
	Alone string
}

// failure is the error of the last message, as "name: message" or as the legacy callback's code.
func (m posted) failure() string {
	last := m.Messages[len(m.Messages)-1].Data
	var e struct{ Name, Message string }
	if json.Unmarshal(last.Error, &e) == nil && e.Name != "" {
		return e.Name + ": " + e.Message
	}
	var code string
	_ = json.Unmarshal(last.Error, &code)
	return code
}

func (m posted) token() string {
	last := m.Messages[len(m.Messages)-1].Data
	return last.Token + last.Response.ProviderInfo.AccessToken
}

// to is where the last message goes.
func (m posted) to() string { return strings.Join(m.Messages[len(m.Messages)-1].Origins, " ") }

var tellScript = regexp.MustCompile(`(?s)<script type="application/json" id="tell">(.*?)</script>`)

func (r response) posted(t testing.TB) posted {
	t.Helper()
	match := tellScript.FindStringSubmatch(r.body)
	if match == nil {
		t.Fatalf("status %d, no page that posts to its opener: %s", r.StatusCode, r.body)
	}
	var out posted
	if err := json.NewDecoder(bytes.NewReader([]byte(match[1]))).Decode(&out); err != nil {
		t.Fatalf("the page's data is not JSON: %v", err)
	}
	return out
}

var tags = regexp.MustCompile(`(?s)<(script|style)[^>]*>.*?</(script|style)>|<[^>]*>`)

// visible is the text that a person reads.
func (r response) visible() string {
	_, body, _ := strings.Cut(r.body, "<body>")
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(body, " "))), " ")
}
