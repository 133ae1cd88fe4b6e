package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"baton/internal/pair"
)

type keyText struct {
	Key string `json:"key" minLength:"1" maxLength:"1024"`
}

func (s *Server) addRelationship() {
	add(s, endpoint{method: http.MethodGet, path: "/key", name: "key", least: pair.Administrator, summary: "Whether a pre-shared key is set, and its fingerprint"},
		func(ctx context.Context, _ *none) (*answer[KeyState], error) { return one(s.backend.Keys.Key(ctx)) })
	add(s, endpoint{method: http.MethodPut, path: "/key", name: "set-key", least: pair.Administrator, summary: "Save the Inter-appliance Communication Pre-shared Key"},
		func(ctx context.Context, in *question[keyText]) (*answer[KeyState], error) {
			return one(s.backend.Keys.SetKey(ctx, in.Body.Key))
		})
	add(s, endpoint{method: http.MethodPost, path: "/key/generate", name: "generate-key", least: pair.Administrator, summary: "Make a strong key; nothing is saved"},
		func(ctx context.Context, _ *none) (*answer[keyText], error) {
			key, err := s.backend.Keys.GenerateKey(ctx)
			return one(keyText{Key: key}, err)
		})
	add(s, endpoint{method: http.MethodDelete, path: "/key/previous", name: "end-previous-key", least: pair.Administrator, summary: "End the previous pre-shared key before both appliances have proved the new one"},
		func(ctx context.Context, _ *none) (*none, error) { return done(s.backend.Keys.EndPreviousKey(ctx)) })
	add(s, endpoint{method: http.MethodPost, path: "/pair", name: "pair", least: pair.Administrator, timeout: 90 * time.Second, summary: "Establish Relationship: this appliance holds the data, the other becomes its backup"},
		func(ctx context.Context, in *question[PairRequest]) (*answer[pair.PeerStatus], error) {
			request, err := readAddresses(in.Body)
			if err != nil {
				return nil, err
			}
			return one(s.backend.Relationship.Pair(ctx, request))
		})
	add(s, endpoint{method: http.MethodPost, path: "/pair/preview", name: "preview-pair", least: pair.Administrator, timeout: 90 * time.Second, summary: "What Establish Relationship would do; nothing is changed"},
		func(ctx context.Context, in *question[PairRequest]) (*answer[PairPreview], error) {
			request, err := readAddresses(in.Body)
			if err != nil {
				return nil, err
			}
			preview, err := s.backend.Relationship.PreviewPair(ctx, request)
			if preview.Warnings == nil {
				preview.Warnings = []Check{} // a list is never null
			}
			return one(preview, err)
		})
	add(s, endpoint{method: http.MethodPost, path: "/unpair", name: "unpair", least: pair.Administrator, summary: "Break Relationship"},
		func(ctx context.Context, in *question[UnpairRequest]) (*none, error) {
			return done(s.backend.Relationship.Unpair(ctx, in.Body))
		})
}

// readAddresses has the addresses of a pairing as the backend takes them, of
// whatever was typed or pasted. It refuses with the code Usage.
func readAddresses(request PairRequest) (PairRequest, error) {
	var wrong []error
	for field, address := range map[string]*string{"address": &request.Address, "reverse": &request.Reverse} {
		if field == "reverse" && *address == "" {
			continue
		}
		read, err := pair.ParseHostPort(*address)
		if err != nil {
			wrong = append(wrong, pair.RefuseField(field, "%s", err))
		}
		*address = read.String()
	}
	if refused := pair.RefusalOf(errors.Join(wrong...)); refused != nil {
		return request, refused
	}
	return request, nil
}
