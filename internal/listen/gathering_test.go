package listen

import (
	"io"
	"net"
	"testing"
	"time"
)

// gatherer is queue.Gatherer, which the link to the peer looks for.
type gatherer interface {
	Gather()
	Send() error
}

// What is gathered waits until it is sent, and comes in order.
func TestWhatIsGatheredIsSentTogether(t *testing.T) {
	t.Parallel()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := smallAdmission("").guard(inner)
	defer func() { _ = listener.Close() }()
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	below, is := conn.(gatherer)
	if !is {
		t.Fatalf("a %T cannot gather", conn)
	}
	write := func(text string) {
		if n, err := conn.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("wrote %d bytes: %v", n, err)
		}
	}
	expect := func(text string) {
		got := make([]byte, len(text))
		_ = client.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != text {
			t.Fatalf("got %q, want %q: %v", got, text, err)
		}
	}
	write("first ")
	expect("first ")
	below.Gather()
	write("second ")
	write("third ")
	_ = client.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, _ := client.Read(make([]byte, 1)); n > 0 {
		t.Fatal("something was sent that was to wait")
	}
	if err := below.Send(); err != nil {
		t.Fatal(err)
	}
	expect("second third ")
	write("fourth")
	expect("fourth")
	if err := below.Send(); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	below.Gather()
	write("lost")
	if below.Send() == nil {
		t.Error("what could not be sent counts as sent")
	}
}
