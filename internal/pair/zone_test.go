package pair

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// aloneInRoot is set for a copy of the tests that has nothing of the machine.
const aloneInRoot = "BATON_TEST_ZONES"

// Which time zones there are does not depend on the machine: what the primary takes, its
// backup must take.
func TestTimeZonesDoNotDependOnTheMachine(t *testing.T) {
	for name, want := range map[string]bool{
		"UTC": true, "Europe/Berlin": true, "America/Argentina/Buenos_Aires": true,
		"": false, "Local": false, "localtime": false, "posixrules": false, "posix/Europe/Berlin": false, "right/Europe/Berlin": false, "Europe/Nowhere": false,
	} {
		if isZone(name) != want {
			t.Errorf("%q is a time zone: %t, want %t", name, !want, want)
		}
	}
	switch {
	case os.Getenv(aloneInRoot) != "":
		return
	case os.Geteuid() != 0:
		t.Skip("needs root for the rest: runs where there are no files of time zones")
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "alone"), self, 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "/alone", "-test.run=^"+t.Name()+"$", "-test.v")
	command.SysProcAttr, command.Dir, command.Env = &syscall.SysProcAttr{Chroot: root}, "/", []string{aloneInRoot + "=1"}
	if told, err := command.CombinedOutput(); err != nil {
		t.Errorf("without files of time zones: %v\n%s", err, told)
	}
}
