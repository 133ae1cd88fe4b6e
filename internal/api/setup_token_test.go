package api_test

import (
	"testing"

	"baton/internal/api"
)

func TestASetupTokenMayBePastedInCapitalsAndWithSpaceAroundIt(t *testing.T) {
	const token = "4kxx-ka72-qynw-zbt2"
	for typed, same := range map[string]bool{
		token: true, " 4kxx-ka72-qynw-zbt2 \n": true, "4KXX-KA72-QYNW-ZBT2": true,
		"": false, "4kxx-ka72-qynw-zbt3": false, "4kxx ka72 qynw zbt2": false,
	} {
		if got := api.SameSetupToken(typed, token); got != same {
			t.Errorf("%q: %v", typed, got)
		}
	}
	if api.SameSetupToken("", "") {
		t.Error("no token is the same as none")
	}
}
