package probe

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// TestPassTellsWhichEchoesComeBack has the far end take less than the near one is
// told that the way takes.
func TestPassTellsWhichEchoesComeBack(t *testing.T) {
	machine(t, func() {
		for _, at := range []string{near4, near6} {
			passage, err := Pass(t.Context(), netip.MustParseAddr(at), 2*time.Second)
			if err != nil || !passage.Small || !passage.Large || passage.Bytes != 1500 {
				t.Errorf("%s: %+v, %v", at, passage, err)
			}
		}
		if passage, err := Pass(t.Context(), netip.MustParseAddr(silent4), 200*time.Millisecond); err != nil || passage.Small || passage.Large {
			t.Errorf("nobody: %+v, %v", passage, err)
		}
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			err = errors.Join(err, netlink.LinkSetMTU(link, 2000)) // the other end takes 1500
		}
		if err != nil {
			t.Error(err)
			return
		}
		for _, at := range []string{near4, near6} {
			passage, err := Pass(t.Context(), netip.MustParseAddr(at), 200*time.Millisecond)
			if err != nil || !passage.Small || passage.Large || passage.Bytes != 2000 {
				t.Errorf("%s, narrow: %+v, %v", at, passage, err)
			}
		}
	})
}
