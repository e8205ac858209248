package httpserver

import (
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// compress compresses bodies of 1024 bytes and more, of the types that Backstage compresses. A stream is
// compressed piece by piece: what a handler flushes reaches the client at once.
func compress(next http.Handler) http.Handler {
	wrap, _ := gzhttp.NewWrapper(gzhttp.MinSize(1024)) // fails only for options that contradict each other
	return wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&Recorder{ResponseWriter: w, before: chooseCompression}, r)
	}))
}

// chooseCompression tells gzhttp which answers to leave alone: those of other types, and successes that are not
// to be stored. These carry tokens, whose characters the length of a compressed body could give away. It also
// corrects the Vary header that gzhttp puts on every answer: Backstage has it only for types that it compresses.
func chooseCompression(header http.Header, status int) {
	can := compressible(header.Get("Content-Type"))
	if !can {
		header["Vary"] = slices.DeleteFunc(header["Vary"], func(line string) bool { return line == "Accept-Encoding" })
		if len(header["Vary"]) == 0 {
			header.Del("Vary")
		}
	}
	if !can || status < 300 && strings.Contains(header.Get("Cache-Control"), "no-store") {
		header.Set(gzhttp.HeaderNoCompression, "1")
	}
}

// compressible reports whether npm's compressible accepts contentType, among the types that a backend sends. An event
// stream is an exception: its events are short and must not wait.
func compressible(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media != "text/event-stream" && strings.HasPrefix(media, "text/") ||
		strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml") ||
		media == "application/json" || media == "application/javascript" || media == "application/xml"
}
