package support

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"
)

const takenOut = "[taken out]"

// scrubber replaces secrets, however they are written. What is handed out should hold
// none in the first place; this is for those that a message from elsewhere carries along.
func scrubber(secrets []string) *strings.Replacer {
	var pairs []string
	for _, secret := range secrets {
		for _, form := range formsOf(secret) {
			pairs = append(pairs, form, takenOut)
		}
	}
	return strings.NewReplacer(pairs...)
}

// leastSecret is the length from which a secret is looked for: shorter ones stand
// in half the words of a log.
const leastSecret = 8

// formsOf lists how a secret may be written: as it is, in JSON, in a URL, in
// hexadecimal and base64; of a PEM file, each line and the key's bytes.
func formsOf(secret string) []string {
	var forms []string
	for rest := []byte(secret); ; {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE") {
			forms = append(forms, encoded(string(block.Bytes))...)
			forms = append(forms, pemLines(base64.StdEncoding.EncodeToString(block.Bytes))...)
		}
		rest = after
	}
	if forms == nil {
		forms = encoded(secret)
	}
	long := forms[:0]
	for _, form := range forms {
		if len(form) >= leastSecret {
			long = append(long, form)
		}
	}
	return long
}

// pemLines cuts base64 text as PEM files have it, and each line at what a URL
// writes otherwise.
func pemLines(text string) []string {
	const width = 64
	var lines []string
	for line := range slices.Chunk([]byte(text), width) {
		lines = append(lines, string(line))
		lines = append(lines, strings.FieldsFunc(string(line), func(r rune) bool { return strings.ContainsRune("+/=", r) })...)
	}
	return lines
}

func encoded(secret string) []string {
	bytes := []byte(secret)
	quoted, _ := json.Marshal(secret) // a string always can be
	return []string{
		secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret), url.PathEscape(secret),
		hex.EncodeToString(bytes), strings.ToUpper(hex.EncodeToString(bytes)),
		base64.RawStdEncoding.EncodeToString(bytes), base64.RawURLEncoding.EncodeToString(bytes),
	}
}
