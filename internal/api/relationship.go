package api

import (
	"context"
	"errors"
	"time"

	"baton/internal/pair"
)

// Relationship makes and breaks the pair.
type Relationship interface {
	// PreviewPair finds out what Pair would do, and changes nothing. It fails for
	// every reason that is known to make Pair fail, except data that would be
	// replaced: the preview tells of that.
	PreviewPair(ctx context.Context, request PairRequest) (PairPreview, error)
	Pair(ctx context.Context, request PairRequest) (pair.PeerStatus, error)
	Unpair(ctx context.Context, request UnpairRequest) error
}

// EstablishPair is Establish Relationship.
func EstablishPair() Op[Relationship, PairRequest, pair.PeerStatus] {
	return askWith(post("/pair", "pair", pair.Administrator, "Establish Relationship: this appliance holds the data, the other becomes its backup").within(pairTimeout), Relationship.Pair)
}

// PreviewPair tells what EstablishPair would do, and changes nothing.
func PreviewPair() Op[Relationship, PairRequest, PairPreview] {
	return askWith(post("/pair/preview", "preview-pair", pair.Administrator, "What Establish Relationship would do; nothing is changed").within(pairTimeout), Relationship.PreviewPair)
}

// BreakPair is Break Relationship.
func BreakPair() Op[Relationship, UnpairRequest, None] {
	return orderWith(post("/unpair", "unpair", pair.Administrator, "Break Relationship"), Relationship.Unpair)
}

func (s *Server) serveRelationship() {
	serve(s, s.backend.Relationship, EstablishPair())
	serve(s, s.backend.Relationship, PreviewPair())
	serve(s, s.backend.Relationship, BreakPair())
}

// pairTimeout is for an appliance that has to find the other one, and be found by it.
const pairTimeout = 90 * time.Second

// PairRequest is Establish Relationship, sent to the appliance that holds the data.
type PairRequest struct {
	Address string `json:"address" minLength:"1" maxLength:"300" doc:"HOST or HOST:PORT of the new backup"`
	Reverse string `json:"reverse,omitempty" maxLength:"300" doc:"HOST or HOST:PORT at which the backup reaches this appliance"`
	Replace bool   `json:"replace,omitempty" doc:"Pair although the other appliance holds newer site data, or was pinned with another certificate"`
}

// Check has the addresses as the backend takes them, of whatever was typed or pasted.
func (r *PairRequest) Check() error {
	var wrong []error
	for field, address := range map[string]*string{"address": &r.Address, "reverse": &r.Reverse} {
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
		return refused
	}
	return nil
}

// PairPreview is what Establish Relationship would do, found out without doing it.
type PairPreview struct {
	Name        string    `json:"name"`    // of the other appliance
	Version     string    `json:"version"` // of the product there
	Role        pair.Role `json:"role"`
	Address     string    `json:"address"`      // HOST:PORT at which it answered
	Reverse     string    `json:"reverse"`      // HOST:PORT at which it reached this appliance
	HoldsData   bool      `json:"holds_data"`   // site data there would be replaced
	Data        string    `json:"data"`         // what it says of that data; empty if it holds none
	NeedReplace bool      `json:"need_replace"` // it refuses unless Replace is asked for
	Confirm     string    `json:"confirm"`      // its name, to be typed before its data is replaced; empty: it protects none, and a plain yes will do
	Text        string    `json:"text"`         // one sentence that names both and says what would be replaced
	Brings      []string  `json:"brings"`       // protected directories here, which the other receives; empty: none
	Offer       *DataSpec `json:"offer,omitempty"`
	Warnings    []Check   `json:"warnings"` // what does not stand in the way and should be mended
}

// UnpairRequest is Break Relationship.
type UnpairRequest struct {
	Force bool `json:"force,omitempty" doc:"Break it although the peer is unreachable"`
}
