package cli

import (
	"testing"

	"baton/internal/pair"
)

// Which appliance allows a service is said also where the peer is silent.
func TestWhereAServiceIsAllowed(t *testing.T) {
	yes, no := &pair.ServiceStatus{}, &pair.ServiceStatus{Refused: "root has not allowed it"}
	for _, c := range []struct {
		here  bool
		there *pair.ServiceStatus
		want  string
	}{
		{true, yes, "on both"},
		{true, no, "here only"},
		{true, nil, "here; peer unknown"},
		{false, yes, "on the peer only"},
		{false, no, "nowhere"},
		{false, nil, "not here; peer unknown"},
	} {
		if got := allowedText(c.here, c.there); got != c.want {
			t.Errorf("%t, %+v: %s, want %s", c.here, c.there, got, c.want)
		}
	}
}
