package api

import (
	"context"
	"time"

	"baton/internal/pair"
)

// Keys keeps the pre-shared key.
type Keys interface {
	Key(ctx context.Context) (KeyState, error)
	// GenerateKey returns a strong new key and saves nothing.
	GenerateKey(ctx context.Context) (string, error)
	SetKey(ctx context.Context, key string) (KeyState, error)
	// EndPreviousKey ends the key before the present one, which stays valid until
	// both appliances have proved the present one; Refused if there is none.
	EndPreviousKey(ctx context.Context) error
}

// GetKey tells of the pre-shared key without telling it.
func GetKey() Op[Keys, None, KeyState] {
	return ask(get("/key", "key", pair.Administrator, "Whether a pre-shared key is set, and its fingerprint"), Keys.Key)
}

// SetKey saves the pre-shared key.
func SetKey() Op[Keys, KeyText, KeyState] {
	return askWith(put("/key", "set-key", pair.Administrator, "Save the Inter-appliance Communication Pre-shared Key"),
		func(k Keys, ctx context.Context, key KeyText) (KeyState, error) { return k.SetKey(ctx, key.Key) })
}

// GenerateKey makes a strong key and saves nothing.
func GenerateKey() Op[Keys, None, KeyText] {
	return ask(post("/key/generate", "generate-key", pair.Administrator, "Make a strong key; nothing is saved"),
		func(k Keys, ctx context.Context) (KeyText, error) {
			key, err := k.GenerateKey(ctx)
			return KeyText{Key: key}, err
		})
}

// EndPreviousKey ends the key before the present one.
func EndPreviousKey() Op[Keys, None, None] {
	return order(del("/key/previous", "end-previous-key", pair.Administrator, "End the previous pre-shared key before both appliances have proved the new one"), Keys.EndPreviousKey)
}

func (s *Server) serveKeys() {
	serve(s, s.backend.Keys, GetKey())
	serve(s, s.backend.Keys, SetKey())
	serve(s, s.backend.Keys, GenerateKey())
	serve(s, s.backend.Keys, EndPreviousKey())
}

// KeyState tells of the pre-shared key without telling it.
type KeyState struct {
	Set         bool       `json:"set"`
	SavedAt     *time.Time `json:"saved_at,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty" doc:"Of the stretched key, to compare on both appliances"`
	Previous    string     `json:"previous,omitempty" doc:"Fingerprint of the key before it, while that is valid as well"`
}

// KeyText is a pre-shared key.
type KeyText struct {
	Key string `json:"key" minLength:"1" maxLength:"1024"`
}
