package exchange

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"

	"baton/internal/peer/wire"
	"baton/internal/store"
)

// A backup takes over the site's documents (its name and page, its certificate, who
// is notified, who may come in) as soon as its primary has saved them: the schedule
// of the data syncs may be a week.

// heldDocuments are the digests of the documents here, by name; empty, so that
// nothing is told, if they cannot be read.
func (x *Exchange) heldDocuments(ctx context.Context) map[string]string {
	all, err := x.Store.Documents.List(ctx)
	if err != nil {
		x.Log.Warn("documents of the site not read", slog.String("error", err.Error()))
		return nil
	}
	held := map[string]string{"": ""} // also one that has none asks
	for _, d := range all {
		held[d.Name] = digestOf(d)
	}
	return held
}

func digestOf(d store.Document) string {
	sum := sha256.Sum256(d.Value)
	return hex.EncodeToString(sum[:])
}

// otherDocuments returns the documents that the backup lacks or has in another version, as
// many as fit beside the events; the next exchange brings more.
func (x *Exchange) otherDocuments(ctx context.Context, held map[string]string) []wire.Document {
	if len(held) == 0 {
		return nil
	}
	all, err := x.Store.Documents.List(ctx)
	if err != nil {
		x.Log.Warn("documents of the site not told", slog.String("error", err.Error()))
		return nil
	}
	var others []wire.Document
	room := wire.MaxSize / 3
	for _, d := range all {
		if held[d.Name] == digestOf(d) {
			continue
		}
		told := wire.Document{Name: d.Name, Value: string(d.Value), Version: d.Version}
		text, err := json.Marshal(told)
		if err != nil || len(text) > room {
			continue
		}
		room -= len(text)
		others = append(others, told)
	}
	return others
}

// takeDocuments brings into force what the primary has saved. What a former primary
// is still to set aside is not touched.
func (x *Exchange) takeDocuments(ctx context.Context, told []wire.Document) {
	decision := x.Agent.Decision()
	if len(told) == 0 || !decision.Config.MaySync(decision.State) {
		return
	}
	for _, d := range told {
		if err := x.Store.Documents.Take(ctx, store.Document{Name: d.Name, Value: []byte(d.Value), Version: d.Version}); err != nil {
			x.Log.Warn("document of the primary not taken", slog.String("document", d.Name), slog.String("error", err.Error()))
		}
	}
	x.Documents(ctx)
}
