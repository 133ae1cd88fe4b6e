package memory

import (
	"os"
	"slices"
	"testing"
)

// Only what is in memory just as it is in the file of the program may be unmapped: what a loader has
// written into it is nowhere else.
func TestOnlyTheProgramItselfIsUnmapped(t *testing.T) {
	const smaps = `00400000-0127e000 r-xp 00000000 00:30 37 /usr/bin/baton
Rss:               14392 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
0127e000-02133000 r--p 00e7e000 00:30 37 /usr/bin/baton
Anonymous:             0 kB
02133000-021e2000 rw-p 01d33000 00:30 37 /usr/bin/baton
Anonymous:             0 kB
021e2000-04234000 r--p 00000000 00:30 37 /usr/bin/baton
Anonymous:             4 kB
c000000000-c000c00000 rw-p 00000000 00:00 0
Anonymous:          6000 kB
7f0000000000-7f0000001000 r--p 00000000 00:30 38 /usr/bin/baton2
Anonymous:             0 kB
7f0000001000-7f0000002000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0x127e000}, {0x127e000, 0x2133000}}
	if got := programMappings(smaps, "/usr/bin/baton"); !slices.Equal(got, want) {
		t.Errorf("%x, wanted %x", got, want)
	}

	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	if len(programMappings(string(text), program)) == 0 {
		t.Errorf("no part of this program is found in\n%s", text)
	}
	unmapProgram() // and the test goes on
}
