package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Asking returns a client like the given one for answers that may take long: what asks bounds the silence in it, not its time.
// It follows no redirect.
func Asking(from *http.Client) *http.Client {
	client := *from
	client.Timeout = 0
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// Ask sends a request to the other side at address, which an error calls whom. The answer may be one that refuses; it is closed
// by the caller.
func Ask(ctx context.Context, client *http.Client, address, whom string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", whom, err)
	}
	answer, err := client.Do(req)
	if err != nil {
		if sent, ok := errors.AsType[*url.Error](err); ok {
			err = sent.Err // the address within the link tells a person nothing
		}
		return nil, fmt.Errorf("ask %s: %w", whom, err)
	}
	return answer, nil
}
