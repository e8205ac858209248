package express

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/understudy-host/understudy/pkg/apierror"
)

// MaxBody is the largest body that ReadBody reads: body-parser's default, 100 kB.
const MaxBody = 100 << 10

// Body is the parsed body of a request: a form, a JSON object or array, or neither.
type Body struct {
	Form Query
	JSON any // map[string]any or []any
}

// ReadBody reads a form or a JSON body as npm's body-parser does: of any method, and before any routing. Bodies
// of other types stay unread. Errors are *apierror.Error with the status, the name and the message of
// body-parser's, but do not repeat the body.
func ReadBody(r *http.Request) (Body, error) {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return Body{}, nil
	}
	contentType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := contentType == "application/json"
	if err != nil || !isJSON && contentType != "application/x-www-form-urlencoded" {
		return Body{}, nil
	}
	// body-parser would convert other charsets and decompress. Neither is needed, and the size of a decompressed
	// body is not known beforehand.
	charset, encoding := strings.ToLower(params["charset"]), strings.ToLower(r.Header.Get("Content-Encoding"))
	switch {
	case charset != "" && charset != "utf-8":
		return Body{}, unsupported("charset", charset, `unsupported charset "`+strings.ToUpper(charset)+`"`)
	case encoding != "" && encoding != "identity":
		return Body{}, unsupported("encoding", encoding, `unsupported content encoding "`+encoding+`"`)
	case r.ContentLength > MaxBody:
		return Body{}, tooLarge(map[string]any{"expected": r.ContentLength, "length": r.ContentLength})
	}
	// The length of a chunked body is unknown: one byte more than the limit shows whether it ends there.
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	switch {
	case err != nil:
		return Body{}, &apierror.Error{Status: http.StatusBadRequest, Name: "BadRequestError", Message: "request aborted", Err: err}
	case len(body) > MaxBody:
		return Body{}, tooLarge(map[string]any{"received": len(body)})
	case !isJSON:
		return Body{Form: ParseQuery(string(body))}, nil
	}
	value, err := parseJSON(body)
	return Body{JSON: value}, err
}

// parseJSON is body-parser's strict mode: an empty body is none, and a string or a number alone is an error.
func parseJSON(body []byte) (value any, err error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, nil
	}
	err = json.Unmarshal(body, &value)
	message := "Unexpected token in JSON"
	var syntax *json.SyntaxError
	switch {
	case body[0] != '{' && body[0] != '[':
	case err == nil:
		return value, nil
	case errors.As(err, &syntax) && strings.HasPrefix(syntax.Error(), "unexpected end"):
		message = "Unexpected end of JSON input"
	}
	return nil, refused(http.StatusBadRequest, "SyntaxError", message,
		map[string]any{"expose": true, "statusCode": 400, "status": 400, "type": "entity.parse.failed"})
}

// tooLarge is body-parser's PayloadTooLargeError. size holds what is known of the size.
func tooLarge(size map[string]any) error {
	size["limit"], size["type"] = MaxBody, "entity.too.large"
	return refused(http.StatusRequestEntityTooLarge, "PayloadTooLargeError", "request entity too large", size)
}

// unsupported is body-parser's UnsupportedMediaTypeError about a charset or an encoding.
func unsupported(what, value, message string) error {
	return refused(http.StatusUnsupportedMediaType, "UnsupportedMediaTypeError", message,
		map[string]any{what: value, "type": what + ".unsupported"})
}

func refused(status int, name, message string, extra map[string]any) error {
	return &apierror.Error{Status: status, Name: name, Message: message, Extra: extra}
}
