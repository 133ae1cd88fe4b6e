package systemd

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	godbus "github.com/godbus/dbus/v5"
)

// Of what systemd sends on its own, only that a job has ended is read. The rest is not even decoded,
// however long it is.
func TestSignalsThatNobodyWaitsForAreLeftOut(t *testing.T) {
	path := godbus.ObjectPath("/org/freedesktop/systemd1")
	signal := func(member, text string) *godbus.Message {
		return &godbus.Message{Type: godbus.TypeSignal, Headers: map[godbus.HeaderField]godbus.Variant{
			godbus.FieldPath: godbus.MakeVariant(path), godbus.FieldInterface: godbus.MakeVariant("org.freedesktop.systemd1.Manager"),
			godbus.FieldMember: godbus.MakeVariant(member), godbus.FieldSignature: godbus.MakeVariant(godbus.SignatureOf(text)),
		}, Body: []any{text}}
	}
	reply := func(text string) *godbus.Message {
		return &godbus.Message{Type: godbus.TypeMethodReply, Headers: map[godbus.HeaderField]godbus.Variant{
			godbus.FieldReplySerial: godbus.MakeVariant(uint32(7)), godbus.FieldSignature: godbus.MakeVariant(godbus.SignatureOf(text)),
		}, Body: []any{text}}
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		var sent bytes.Buffer
		sent.WriteString("OK 1234\r\n")
		for _, message := range []*godbus.Message{
			signal("UnitNew", "one"), signal("PropertiesChanged", strings.Repeat("long ", 10_000)), reply(strings.Repeat("answer ", 5000)),
			signal("JobRemoved", "done"), signal("UnitRemoved", ""), reply("JobRemoved"), signal("UnitNew", "two"),
		} {
			if err := message.EncodeTo(&sent, order); err != nil {
				t.Fatal(err)
			}
		}
		ours, theirs := net.Pipe()
		go func() {
			_, _ = theirs.Write(sent.Bytes())
			_ = theirs.Close()
		}()
		w := newWire(ours)
		line := make([]byte, len("OK 1234\r\n"))
		if _, err := w.Read(line); err != nil || string(line) != "OK 1234\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
		w.begun = true
		var got []string
		for {
			message, err := godbus.DecodeMessage(w)
			if err != nil {
				break // it has ended
			}
			member, _ := message.Headers[godbus.FieldMember].Value().(string)
			text, _ := message.Body[0].(string)
			got = append(got, member+" "+text[:min(len(text), 6)])
		}
		if want := " answer,JobRemoved done, JobRem"; strings.Join(got, ",") != want {
			t.Errorf("%s: read %q, wanted %q", order, got, want)
		}
	}
}
