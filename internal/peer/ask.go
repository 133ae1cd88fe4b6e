package peer

import (
	"context"
	"net/http"

	"baton/internal/peer/wire"
)

// Ask sends a question to which there is no answer but that it was done. Its errors are
// those of Call.
func Ask[Question any](ctx context.Context, client *http.Client, path string, question Question) error {
	_, err := Call[Question, wire.Plain](ctx, client, path, question)
	return err
}
