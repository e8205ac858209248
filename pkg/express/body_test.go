package express_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
)

const form = "application/x-www-form-urlencoded"

func TestReadBody(t *testing.T) {
	tests := map[string]struct {
		contentType, body string
		want              express.Body
	}{
		"form":         {form + "; charset=UTF-8", "a=b&c", express.Body{Form: express.Query{"a": {"b"}, "c": {""}}}},
		"object":       {"application/json", ` {"a": ["b"]} `, express.Body{JSON: map[string]any{"a": []any{"b"}}}},
		"array":        {"application/json", "[1]", express.Body{JSON: []any{1.0}}},
		"blank":        {"application/json", " \n", express.Body{}},
		"another type": {"text/plain", "{", express.Body{}},
		"no type":      {"", "{", express.Body{}},
	}
	for name, test := range tests {
		r := httptest.NewRequest("PUT", "/", strings.NewReader(test.body))
		r.Header.Set("Content-Type", test.contentType)
		body, err := express.ReadBody(r)
		if diff := cmp.Diff(test.want, body); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestReadBodyRefuses(t *testing.T) {
	large := strings.Repeat("x", express.MaxBody) + "x"
	tests := map[string]struct {
		contentType, encoding string
		body                  io.Reader
		status                int
		name, message         string
	}{
		"cut JSON":    {"application/json", "", strings.NewReader(`{"a":`), 400, "SyntaxError", "Unexpected end of JSON input"},
		"no JSON":     {"application/json", "", strings.NewReader(`{"a" 1}`), 400, "SyntaxError", "Unexpected token in JSON"},
		"JSON string": {"application/json", "", strings.NewReader(`"a"`), 400, "SyntaxError", "Unexpected token in JSON"},
		"large":       {form, "", strings.NewReader(large), 413, "PayloadTooLargeError", "request entity too large"},
		"chunked":     {form, "", io.MultiReader(strings.NewReader(large)), 413, "PayloadTooLargeError", "request entity too large"},
		"charset":     {form + "; charset=klingon", "", strings.NewReader("a"), 415, "UnsupportedMediaTypeError", `unsupported charset "KLINGON"`},
		"encoding":    {form, "BR", strings.NewReader("a"), 415, "UnsupportedMediaTypeError", `unsupported content encoding "br"`},
	}
	for name, test := range tests {
		r := httptest.NewRequest("POST", "/", test.body)
		r.Header.Set("Content-Type", test.contentType)
		r.Header.Set("Content-Encoding", test.encoding)
		_, err := express.ReadBody(r)
		if e := apierror.From(err); err == nil || e.Status != test.status || e.Name != test.name || e.Message != test.message {
			t.Errorf("%s: %v", name, err)
		}
	}
}
