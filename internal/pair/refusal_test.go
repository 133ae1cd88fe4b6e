package pair

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

func TestSeveralRefusalsAreToldAsOne(t *testing.T) {
	err := fmt.Errorf("save: %w", errors.Join(
		RefuseField("mail", "%q is no address", "x"), io.EOF, Refuse(Refused, "there is a user ann already").At("name")))
	refusal := RefusalOf(err)
	if refusal == nil || refusal.Code != Refused || refusal.Text != `mail: "x" is no address; there is a user ann already` || !errors.Is(refusal, io.EOF) {
		t.Fatalf("got %+v", refusal)
	}
	want := []Field{{"mail", `"x" is no address`}, {"name", "there is a user ann already"}}
	if !slices.Equal(FieldsOf(err), want) {
		t.Errorf("fields %+v, want %+v", FieldsOf(err), want)
	}
}

func TestARefusalKeepsItsCause(t *testing.T) {
	refusal := Refuse(NotFound, "there is no user %q: %w", "ann", io.EOF)
	if !errors.Is(refusal, io.EOF) || refusal.Error() != `there is no user "ann": EOF` || CodeOf(fmt.Errorf("read: %w", refusal)) != NotFound {
		t.Errorf("got %+v", refusal)
	}
	if RefusalOf(io.EOF) != nil || CodeOf(io.EOF) != Failed || RefusalOf(nil) != nil || FieldsOf(nil) != nil {
		t.Error("an error that is no refusal passes for one")
	}
}
