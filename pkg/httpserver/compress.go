package httpserver

import (
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// compress packs bodies of 1024 bytes and more, of the types that Backstage packs, with gzip. A success that is
// not to be stored carries a token, whose text the length of a packed body could give away; it is left alone.
func compress(next http.Handler) (http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.ContentTypeFilter(compressible))
	if err != nil {
		return nil, err
	}
	return wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&varyWriter{ResponseWriter: w}, r)
	})), nil
}

// varyWriter corrects the Vary header that gzhttp puts on every answer: Backstage has it only where the
// content type can be packed.
type varyWriter struct {
	http.ResponseWriter
	wroteHeader bool
}

func (w *varyWriter) WriteHeader(status int) {
	if !w.wroteHeader && status >= 200 {
		w.wroteHeader = true
		header := w.Header()
		if !compressible(header.Get("Content-Type")) {
			dropVary(header)
		}
		if status < 300 && strings.Contains(header.Get("Cache-Control"), "no-store") {
			header.Set(gzhttp.HeaderNoCompression, "1")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *varyWriter) Write(body []byte) (int, error) {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(body)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *varyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func dropVary(header http.Header) {
	header["Vary"] = slices.DeleteFunc(header["Vary"], func(line string) bool { return line == "Accept-Encoding" })
	if len(header["Vary"]) == 0 {
		header.Del("Vary")
	}
}

// compressible tells the media types that npm's compressible takes for packable among those that a backend sends.
func compressible(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml") ||
		media == "application/json" || media == "application/javascript" || media == "application/xml"
}
