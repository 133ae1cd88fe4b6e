package credential

import (
	"strings"
	"testing"
)

func TestAPasswordIsVerifiedByItsHashOnly(t *testing.T) {
	phc := HashPassword("correct horse")
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") || phc == HashPassword("correct horse") {
		t.Errorf("not a salted PHC string: %s", phc)
	}
	// Made by the reference implementation: argon2 somesalt -id -t 2 -k 256 -p 1 -l 32.
	const reference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	for name, test := range map[string]struct {
		phc, password string
		want          bool
	}{
		"right":         {phc, "correct horse", true},
		"wrong":         {phc, "correct horsf", false},
		"reference":     {reference, "password", true},
		"none":          {"", "", false},
		"cut":           {phc[:len(phc)-4], "correct horse", false},
		"other variant": {strings.Replace(phc, "argon2id", "argon2i", 1), "correct horse", false},
		"huge memory":   {strings.Replace(phc, "m=19456", "m=4194304", 1), "correct horse", false},
		"no time":       {strings.Replace(phc, "t=2", "t=0", 1), "correct horse", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := VerifyPassword(test.phc, test.password); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(HashPassword("correct horse"))
	f.Add("$argon2id$v=19$m=-1,t=1,p=256$$")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePHC(text)
		if err == nil && (p.memory > 256*1024 || p.time > 10 || p.time == 0 || p.threads == 0 || len(p.hash) != hashLength) {
			t.Errorf("accepted %+v", p)
		}
	})
}
