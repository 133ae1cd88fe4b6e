package app

import "testing"

func TestAnApplianceSaysHowManyPiecesItProtects(t *testing.T) {
	t.Parallel()
	a := withUsers(t)
	if hello := a.hello(); hello.Pieces == nil || *hello.Pieces != 0 || !hello.ProtectsNothing() {
		t.Errorf("it says %+v", hello)
	}
}
