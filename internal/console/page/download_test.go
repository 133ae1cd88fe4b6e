package page

import "testing"

func TestFileNamesArePlain(t *testing.T) {
	for want, words := range map[string][]string{
		"baton-Help-desk-2030-01-02.age": {"baton", "Help desk", "2030-01-02"},
		"baton-..-..--x.age":             {"baton", "../../\"x\r\n"},
		"baton.age":                      {"baton", "ö"},
	} {
		if got := FileName(".age", words...); got != want {
			t.Errorf("%q becomes %s, not %s", words, got, want)
		}
	}
}
