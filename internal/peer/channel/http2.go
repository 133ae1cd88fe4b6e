package channel

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// OverHTTP2 speaks HTTP/2 on an authenticated connection.
func OverHTTP2(ctx context.Context, conn net.Conn) (*http.ClientConn, error) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols:              protocols,
		HTTP2:                  HTTP2Settings(),
		DisableCompression:     true,
		MaxResponseHeaderBytes: 512 << 10, // what a site may answer, which is passed on in a planned switch
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	client, err := transport.NewClientConn(ctx, "http", "peer:443")
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("begin HTTP/2 with the peer: %w", err)
	}
	return client, nil
}

// HTTP2Settings are those of both sides: windows and frames large enough for a fast data
// sync, and pings that notice when an idle connection is dead.
func HTTP2Settings() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          2048, // requests of clients are passed on in a planned switch
		MaxReadFrameSize:              256 << 10,
		MaxReceiveBufferPerConnection: 4<<20 - 1,
		MaxReceiveBufferPerStream:     4<<20 - 1,
		SendPingTimeout:               15 * time.Second,
		PingTimeout:                   5 * time.Second,
	}
}
