package pair

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TrimUnseen takes away what nobody sees at both ends of a text: white space, a
// byte-order mark, a NUL, zero-width characters.
func TrimUnseen(text string) string {
	for text != "" { // not TrimFunc, which takes a broken byte for U+FFFD
		r, size := utf8.DecodeRuneInString(text)
		if !unseen(r) && r != ' ' {
			break
		}
		text = text[size:]
	}
	for text != "" {
		r, size := utf8.DecodeLastRuneInString(text)
		if !unseen(r) && r != ' ' {
			break
		}
		text = text[:len(text)-size]
	}
	return text
}

// CheckSeen refuses a text with a character that nobody sees, so that two that
// look the same are the same, and bytes that are no UTF-8. A plain space is seen.
// The error is a sentence about what, and says where the character stands.
func CheckSeen(what, text string) error {
	position := 0
	for at, r := range text {
		position++
		if _, size := utf8.DecodeRuneInString(text[at:]); r == utf8.RuneError && size <= 1 || r == unicode.ReplacementChar {
			return fmt.Errorf("character %d of %s is not UTF-8: convert the file to UTF-8, or type the text", position, what)
		}
		if unseen(r) {
			return fmt.Errorf("character %d of %s is %s (U+%04X): delete it, or type the text instead of pasting it", position, what, unseenName(r), r)
		}
	}
	return nil
}

// unseen reports whether nobody sees a character, or takes it for a space.
func unseen(r rune) bool {
	switch {
	case r == ' ', r == utf8.RuneError:
		return false
	case r == '\u2800', // the empty pattern of Braille
		!unicode.IsPrint(r), // which takes no space but ' ' for printable
		unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
		return true
	}
	return false
}

func unseenName(r rune) string {
	for _, known := range []struct {
		runes, name string
	}{
		{"\x00", "a NUL"},
		{"\t", "a tab"},
		{"\n\r\v\f\u0085\u2028\u2029", "a line end"},
		{"\u00a0\u202f\u2007", "a no-break space"},
		{"\u00ad", "a soft hyphen"},
		{"\u200b", "a zero-width space"},
		{"\u200c", "a zero-width non-joiner"},
		{"\u200d", "a zero-width joiner"},
		{"\ufeff", "a byte-order mark"},
	} {
		if strings.ContainsRune(known.runes, r) {
			return known.name
		}
	}
	switch {
	case unicode.IsControl(r):
		return "a control character"
	case unicode.IsSpace(r), unicode.Is(unicode.Zs, r):
		return "an unusual space"
	}
	return "a character that nobody sees"
}

// UserName is how an account is called that somebody typed: without what nobody
// sees at the ends, in small letters.
func UserName(typed string) string { return strings.ToLower(TrimUnseen(typed)) }
