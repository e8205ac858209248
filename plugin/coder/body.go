package coder

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/understudy-host/understudy/pkg/apierror"
)

// maxBody is the most that Backstage reads of a request's body: 100 kB.
const maxBody = 100 << 10

// readBody reads a form or JSON body, as Backstage does before any routing and for every method, and leaves
// its code in r.PostForm. Errors are those of npm's body-parser, without the body that it repeats in them.
func readBody(r *http.Request) error {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	// Bodies of other types are nobody's business: body-parser leaves them unread, and so do we.
	contentType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := contentType == "application/json"
	if err != nil || !isJSON && contentType != "application/x-www-form-urlencoded" {
		return nil
	}
	// body-parser would convert other charsets and unpack encodings. Nobody sends them here, and an unpacked
	// body is one whose size is not known beforehand.
	if charset := strings.ToLower(params["charset"]); charset != "" && charset != "utf-8" {
		return unsupported("charset", charset, `unsupported charset "`+strings.ToUpper(charset)+`"`)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		encoding = strings.ToLower(encoding)
		return unsupported("encoding", encoding, `unsupported content encoding "`+encoding+`"`)
	}
	if r.ContentLength > maxBody {
		return tooLarge(map[string]any{"expected": r.ContentLength, "length": r.ContentLength})
	}
	// A chunked body tells no length: read one byte more than is allowed to see whether it is over.
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return &apierror.Error{Status: http.StatusBadRequest, Name: "BadRequestError", Message: "request aborted", Err: err}
	}
	if len(body) > maxBody {
		return tooLarge(map[string]any{"received": len(body)})
	}
	if isJSON {
		r.PostForm, err = jsonForm(body)
		return err
	}
	r.PostForm = parseQuery(string(body))
	return nil
}

// jsonForm takes the code out of a JSON body, which must be an object or an array.
func jsonForm(body []byte) (url.Values, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, nil
	}
	var value any
	err := json.Unmarshal(body, &value)
	var syntax *json.SyntaxError
	message := "Unexpected token in JSON"
	switch {
	// body-parser's strict mode: a text or a number alone is no body.
	case body[0] != '{' && body[0] != '[':
	case err == nil:
		object, _ := value.(map[string]any)
		if code, ok := object["code"].(string); ok {
			return url.Values{"code": {code}}, nil
		}
		return nil, nil
	case errors.As(err, &syntax) && strings.HasPrefix(syntax.Error(), "unexpected end"):
		message = "Unexpected end of JSON input"
	}
	return nil, &apierror.Error{
		Status: http.StatusBadRequest, Name: "SyntaxError", Message: message,
		Extra: map[string]any{"expose": true, "statusCode": 400, "status": 400, "type": "entity.parse.failed"},
	}
}

// tooLarge is body-parser's PayloadTooLargeError; extra tells what is known of the size.
func tooLarge(extra map[string]any) error {
	extra["limit"], extra["type"] = maxBody, "entity.too.large"
	const message = "request entity too large"
	return &apierror.Error{
		Status: http.StatusRequestEntityTooLarge, Name: "PayloadTooLargeError", Message: message, Extra: extra,
	}
}

// unsupported is body-parser's UnsupportedMediaTypeError about a charset or an encoding.
func unsupported(what, value, message string) error {
	return &apierror.Error{
		Status: http.StatusUnsupportedMediaType, Name: "UnsupportedMediaTypeError", Message: message,
		Extra: map[string]any{what: value, "type": what + ".unsupported"},
	}
}
