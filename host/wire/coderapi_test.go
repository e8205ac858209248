package wire

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
)

// noisy are headers that few answers have, and that a proxy has to choose from.
var noisy = http.Header{
	"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Credentials": {"true"}, "Cache-Control": {"private, max-age=7"},
	"Content-Language": {"en"}, "Content-Security-Policy": {"default-src 'none'"}, "Content-Disposition": {"inline"},
	"Coder-Session-Token": {"from-upstream"}, "Etag": {`"upstream-etag"`}, "Expires": {"Thu, 01 Jan 2032 00:00:00 GMT"},
	"Last-Modified": {"Wed, 01 Jan 2020 00:00:00 GMT"}, "Link": {"</next>; rel=next"}, "Location": {"/elsewhere"},
	"Pragma": {"no-cache"}, "Retry-After": {"9"}, "Server": {"fake-coder"},
	"Set-Cookie": {"coder_session_token=leak; Path=/", "second=1"}, "Strict-Transport-Security": {"max-age=1"},
	"Vary": {"X-Upstream"}, "Www-Authenticate": {`Bearer realm="upstream"`}, "X-Coder-Build-Version": {"v2.99.0"},
	"X-Custom-Source": {"upstream-echo"}, "X-Frame-Options": {"DENY"}, "X-Ratelimit-Remaining": {"41"},
	"X-Request-Id": {"fixed-request-id"},
}

// api answers the requests that are passed on by a proxy.
func api(w http.ResponseWriter, r *http.Request, rec record) {
	switch r.URL.Path {
	case "/api/v2/workspaces":
		maps.Copy(w.Header(), noisy)
		query, _ := json.Marshal(r.URL.Query()["q"])
		if !r.URL.Query().Has("q") {
			query = []byte("[null]")
		}
		reply(w, http.StatusOK, `{"count":1,"workspaces":[{"id":"w-1","name":"dev","latest_build":{"status":"running"}}],"q":`+
			strings.Trim(string(query), "[]")+`}`)
	case "/api/v2/echo", "/api/v2/./echo":
		text, _ := json.Marshal(map[string]string{"method": r.Method, "url": r.RequestURI, "body": rec.body})
		reply(w, http.StatusOK, string(text))
	case "/api/v2/redirect":
		w.Header().Set("Location", "/api/v2/workspaces")
		w.WriteHeader(http.StatusFound)
	case "/api/v2/gzip":
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = io.WriteString(z, `{"packed":true}`)
		_ = z.Close()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	case "/api/v2/large":
		reply(w, http.StatusOK, `{"filler":"`+strings.Repeat("y", 64<<10)+`"}`)
	case "/api/v2/cut":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"cut":`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		reply(w, http.StatusNotFound, `{"message":"Route not found."}`)
	}
}
