package pace

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/pair"
)

func TestAStreamIsReadAtTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New()
		l.Set(pair.Rate(1_000_000))
		began := time.Now()
		n, err := io.Copy(io.Discard, l.Stream(t.Context(), bytes.NewReader(make([]byte, 3_000_000))))
		if took := time.Since(began); err != nil || n != 3_000_000 || took < 2900*time.Millisecond || took > 3100*time.Millisecond {
			t.Errorf("%d bytes took %s, %v", n, took, err)
		}
		why := errors.New("cancelled")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if _, err := io.ReadAll(l.Stream(ctx, bytes.NewReader(make([]byte, 3_000_000)))); !errors.Is(err, why) {
			t.Errorf("once it is cancelled: %v", err)
		}
	})
}
