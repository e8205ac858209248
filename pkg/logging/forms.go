package logging

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// forms returns the forms in which a secret may get into a text: as it is, encoded for a URL as Go, a browser's form or
// encodeURIComponent do it, quoted by Go or JSON, and in base64, alone or within something longer.
func forms(secret string) []string {
	plain := append([]string{secret}, escapes(secret)...)
	form := url.QueryEscape(secret)
	list := append(plain, inBase64(secret)...)
	if form != secret {
		list = append(list, inBase64(form)...) // OAuth 2 encodes a client's secret before it goes into Basic credentials
	}
	for _, text := range list[len(plain):] {
		if escaped := url.QueryEscape(text); escaped != text {
			list = append(list, escaped, lowerHex(escaped))
		}
	}
	return list
}

// escapes returns the forms of a secret whose special characters are escaped.
func escapes(secret string) (list []string) {
	query := url.QueryEscape(secret)
	percent := strings.ReplaceAll(query, "+", "%20")
	list = append(list, query, percent, url.PathEscape(secret), component.Replace(percent), formData.Replace(query), url.QueryEscape(percent),
		Shown(secret, math.MaxInt))
	for _, form := range list {
		list = append(list, lowerHex(form))
	}
	asJSON, _ := json.Marshal(secret) // cannot fail
	for _, quoted := range []string{strconv.Quote(secret), strconv.QuoteToASCII(secret), string(asJSON)} {
		list = append(list, quoted[1:len(quoted)-1])
	}
	return append(list, encodedJSON(secret))
}

var (
	// component and formData undo what encodeURIComponent and the form encoding of browsers leave as it is.
	component = strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")
	formData  = strings.NewReplacer("%2A", "*", "~", "%7E")
)

// lowerHex returns a percent-encoded text with its digits in lower case.
func lowerHex(text string) string {
	b := []byte(text)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(text[i+1:i+3]))
		}
	}
	return string(b)
}

// encodedJSON returns a secret as JSON.stringify writes it: it does not escape HTML.
func encodedJSON(secret string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(secret) // cannot fail
	return strings.Trim(strings.TrimSpace(b.String()), `"`)
}

// shortestInner is the least number of characters of base64 that count as a part of a secret within something longer.
const shortestInner = 6

// inBase64 returns a secret in base64 with both alphabets: alone, and what it is, whatever is before and after it, at
// each of the three places in a group that it may begin at.
func inBase64(secret string) (list []string) {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		alone := encoding.EncodeToString([]byte(secret))
		list = append(list, alone, strings.TrimRight(alone, "="))
		for before := range 3 {
			text := encoding.EncodeToString([]byte("\x00\x00"[:before] + secret))
			begin := (before*8 + 5) / 6           // the first character that holds only bits of the secret
			end := (before + len(secret)) * 8 / 6 // the first that does not, after it
			if end-begin >= shortestInner {
				list = append(list, text[begin:end])
			}
		}
	}
	return list
}
