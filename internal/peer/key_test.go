package peer

import (
	"errors"
	"strings"
	"testing"
)

// TestWhatNobodySeesAroundAKeyIsNoPartOfIt holds whatever a file, a mail or a web
// page puts around a key to be harmless.
func TestWhatNobodySeesAroundAKeyIsNoPartOfIt(t *testing.T) {
	for name, typed := range map[string]string{
		"byte-order mark":    "\ufeff" + rightKey,
		"zero-width space":   rightKey + "\u200b",
		"no-break spaces":    "\u00a0" + rightKey + "\u00a0",
		"NUL":                rightKey + "\x00",
		"line end of a file": "\ufeff " + rightKey + "\r\n",
		"word joiner":        "\u2060" + rightKey + "\u2060\u00ad",
	} {
		if got, err := normalKey(typed); err != nil || got != rightKey {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestWhatNobodySeesInAKeyIsRefused: two keys that look the same are the same.
func TestWhatNobodySeesInAKeyIsRefused(t *testing.T) {
	for typed, says := range map[string]string{
		"correct\u00a0horse battery staple":             "character 8 of the pre-shared key is a no-break space (U+00A0)",
		"\ufeffcorrect\u200bhorse battery":              "character 8 of the pre-shared key is a zero-width space (U+200B)",
		"correct horse\u200d battery staple":            "character 14 of the pre-shared key is a zero-width joiner (U+200D)",
		"correct\x00horse battery staple":               "character 8 of the pre-shared key is a NUL (U+0000)",
		"correct\thorse battery staple":                 "character 8 of the pre-shared key is a tab (U+0009)",
		"corr\ufeffect horse battery staple":            "character 5 of the pre-shared key is a byte-order mark (U+FEFF)",
		"correct horse bat\u00adtery staple":            "character 18 of the pre-shared key is a soft hyphen (U+00AD)",
		"correct horse bat\u3164tery staple":            "character 18 of the pre-shared key is a character that nobody sees (U+3164)",
		"correct horse battery st\ufe0faple":            "character 25 of the pre-shared key is a character that nobody sees (U+FE0F)",
		"c\x00o\x00r\x00r\x00e\x00c\x00t\x00 \x00h\x00": "character 2 of the pre-shared key is a NUL (U+0000)",
		"correct horse b\xe4ttery staple":               "character 16 of the pre-shared key is not UTF-8",
		"\xff\xfec\x00o\x00r\x00r\x00e\x00c\x00t\x00":   "character 1 of the pre-shared key is not UTF-8",
		"correct horse b\ufffdttery staple":             "character 16 of the pre-shared key is not UTF-8",
	} {
		_, err := Stretch(typed)
		if !errors.Is(err, ErrUnfitKey) || !strings.HasPrefix(err.Error(), says+": ") {
			t.Errorf("%q: %v, want %s", typed, err, says)
		}
	}
}

// TestAGeneratedKeyIsTheSameHoweverItIsTyped: and is what earlier releases made of it.
func TestAGeneratedKeyIsTheSameHoweverItIsTyped(t *testing.T) {
	const key = "4kxx-ka72-qynw-zbt2-tfjp-zvzw-n6td"
	for _, typed := range []string{
		key, strings.ToUpper(key), strings.ReplaceAll(key, "-", ""), strings.ReplaceAll(key, "-", " "), "4KXXKA72QYNWZBT2TFJPZVZWN6TD",
		"4kxx ka72 qynw zbt2\ntfjp zvzw n6td", strings.ReplaceAll(key, "-", "\u2011"), strings.ReplaceAll(key, "-", " \u2013 "),
		"\ufeff" + strings.ReplaceAll(key, "-", "\u00a0") + "\r\n", "4kxxka72-qynwzbt2-tfjpzvzw-n6td",
	} {
		if got, err := normalKey(typed); err != nil || got != key {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
	for range 20 {
		made := Generate()
		if got, err := normalKey(strings.ToUpper(strings.ReplaceAll(made, "-", ""))); err != nil || got != made {
			t.Errorf("%s became %q, %v", made, got, err)
		}
	}
}

// TestAPassphraseStaysAsItWasTyped: only a key that was generated is tidied up.
func TestAPassphraseStaysAsItWasTyped(t *testing.T) {
	for _, typed := range []string{
		"Correct Horse  Battery-Staple", "4KXX-KA72-QYNW-ZBT2-TFJP-ZVZW", "4KXX-KA72-QYNW-ZBT2-TFJP-ZVZW-N6TD-0000",
		"4KX-XKA7-2QYN-WZBT-2TFJ-PZVZ-WN6TD", "BLUE-FISH-SWIM-OVER-LONG-COLD-TIDE", "schlüssel – für beide Seiten",
	} {
		if got, err := normalKey(typed); err != nil || got != typed {
			t.Errorf("%q became %q, %v", typed, got, err)
		}
	}
}
