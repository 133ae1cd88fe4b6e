package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/admin/disks"
	"baton/internal/api"
	"baton/internal/datasync"
	"baton/internal/datasync/ledger"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/store"
)

// Data implements api.ProtectedData.
type Data struct {
	*Allowing

	Self    pair.ApplianceID
	DataDir string
	Agent   act.Agent
	Link    act.Link
	Lead    *act.Lead
	Store   *store.Site
	Engine  *datasync.Engine
	Disks   *disks.Disks
	Count   func(context.Context) // how much is protected
	Log     *slog.Logger
}

// Data implements api.ProtectedData.
func (d *Data) Data(ctx context.Context) ([]api.Data, error) {
	all, err := d.Store.Data.List(ctx)
	list := make([]api.Data, len(all))
	for i, data := range all {
		list[i] = d.listed(shown(all, data))
	}
	return list, act.Failure(err)
}

// shown is protected data with what a directory leaves out since it is protected by itself.
func shown(all []pair.Data, data pair.Data) pair.Data {
	dir, is := data.Spec.(pair.Directory)
	for _, other := range all {
		if database, also := other.Spec.(pair.SQLite); is && also {
			if whole, err := dir.TakingIn(database); err == nil {
				dir = whole
			}
		}
	}
	if is {
		data.Spec = dir
	}
	return data
}

// listed is protected data as a person sees it here.
func (d *Data) listed(data pair.Data) api.Data {
	peer, _ := d.Link.Paired()
	return api.DataOf(data, d.Self, peer.ID)
}

// AddData implements api.ProtectedData.
func (d *Data) AddData(ctx context.Context, data api.DataSpec) error {
	if !isProtected(data.Kind) {
		return act.NotYet("protecting a " + data.Kind + " database")
	}
	wanted, err := d.checkNewData(ctx, data)
	fresh := "" // to be allowed here as well
	if !refusesPath(err) {
		var no error
		fresh, no = d.allowing(ctx, data.Path)
		err = errors.Join(err, no)
	}
	if !refusesPath(err) {
		err = errors.Join(err, d.unfit(ctx, specOf(data)))
	}
	if err == nil {
		err = d.refusedThere(ctx, wanted)
	}
	if err != nil {
		return act.Failure(err)
	}
	if fresh != "" {
		if err := d.Allow(ctx, api.AllowedPath{Path: fresh}); err != nil {
			return err
		}
	}
	return d.Lead.ChangeFor(ctx, "protected "+data.Name+" at "+data.Path+d.elsewhere(wanted)+without(wanted), func() error {
		defer d.Count(ctx)
		return d.Store.Data.Add(ctx, wanted)
	})
}

// specOf is what is to be protected, with nothing left out, at the path that it has here.
func specOf(data api.DataSpec) pair.Spec {
	if data.Kind == string(pair.DataSQLite) {
		return pair.SQLite{Path: pair.Path(data.Path)}
	}
	return pair.Directory{Path: pair.Path(data.Path)}
}

// isProtected reports whether this version protects a kind of data.
func isProtected(kind string) bool {
	return kind == string(pair.DataDirectory) || kind == string(pair.DataSQLite)
}

// without says what of protected data is left out.
func without(data pair.Data) string {
	if patterns := data.Spec.Excludes().List(); len(patterns) > 0 {
		return ", without " + strings.Join(patterns, ", ")
	}
	return ""
}

// checkNewData applies the rules for names, paths and patterns. It does not look at the disk.
func (d *Data) checkNewData(ctx context.Context, data api.DataSpec) (pair.Data, error) {
	if err := d.Lead.Check(); err != nil {
		return pair.Data{}, err
	}
	whole, isDirectory := specOf(data).(pair.Directory)
	if !isDirectory {
		wanted := pair.Data{Name: data.Name, Spec: specOf(data)}
		return wanted, d.Store.Data.Check(ctx, wanted)
	}
	dir, wrong := directoryOf(whole, data.Exclude)
	if data.PeerPath != "" && data.PeerPath != data.Path {
		peer, paired := d.Link.Paired()
		if !paired {
			return pair.Data{}, pair.RefuseField("peer_path", "there is no other appliance yet: establish the relationship first, then protect what lies elsewhere there")
		}
		dir.Away, dir.Elsewhere = peer.ID, pair.Path(data.PeerPath)
	}
	wanted := pair.Data{Name: data.Name, Spec: dir}
	return wanted, errors.Join(wrong, d.Store.Data.Check(ctx, wanted))
}

// elsewhere says where data lies on the peer, if not at the same path.
func (d *Data) elsewhere(data pair.Data) string {
	if there := d.listed(data).PeerPath; there != "" {
		peer, _ := d.Link.Paired()
		return ", on " + peer.Name + " at " + there
	}
	return ""
}

// there is where data lies on the peer.
func (d *Data) there(data pair.Data) string {
	return cmp.Or(d.listed(data).PeerPath, d.listed(data).Path)
}

// directoryOf is a directory with other patterns.
func directoryOf(dir pair.Directory, patterns []string) (pair.Directory, error) {
	with, err := dir.Excluding(patterns)
	if err != nil {
		return dir, pair.RefuseField("exclude", "%s", err)
	}
	return with, nil
}

// SetExclude implements api.ProtectedData.
func (d *Data) SetExclude(ctx context.Context, change api.Named[api.Excluded]) error {
	data, err := d.Store.Data.Named(ctx, change.Name)
	if err != nil {
		return act.Failure(err)
	}
	dir, is := data.Spec.(pair.Directory)
	if !is {
		return act.NotYet("leaving something out of a database")
	}
	if data.Spec, err = directoryOf(dir, change.Body.Patterns); err != nil {
		return act.Failure(err)
	}
	return d.Lead.ChangeFor(ctx, "protected "+data.Name+cmp.Or(without(data), " with all that is in it"), func() error {
		return d.Store.Data.Set(ctx, data)
	})
}

// refusesPath reports whether an error refuses the path, so that it needs no other check.
func refusesPath(err error) bool {
	if err == nil {
		return false
	}
	refused := pair.RefusalOf(err)
	return refused == nil || slices.ContainsFunc(refused.Fields, func(f pair.Field) bool { return f.Name == "path" })
}

// unfit refuses what is no directory with readable files, or no database.
func (d *Data) unfit(ctx context.Context, spec pair.Spec) error {
	if found := d.Disks.At(ctx, spec)[0]; !found.OK {
		return pair.RefuseField("path", "%s", found.Text+" "+found.NextStep)
	}
	return nil
}

// refusedThere refuses a path that the peer would not take: every data sync would fail.
// While it does not answer, it refuses nothing.
func (d *Data) refusedThere(ctx context.Context, data pair.Data) error {
	pinned, paired := d.Link.Paired()
	if !paired {
		return nil
	}
	_, err := d.askPlace(ctx, d.there(data))
	if no, told := errors.AsType[*peer.RemoteError](err); told && no.Code == notAllowedThere {
		field := "path"
		if d.elsewhere(data) != "" {
			field = "peer_path"
		}
		return pair.RefuseField(field, "it cannot be protected on %s, and no data sync would succeed. %s", pinned.Name, no.Text)
	}
	return nil
}

// askPlace asks the peer whether data may be placed at a path there, and how much room it
// has.
func (d *Data) askPlace(ctx context.Context, path string) (wire.RoomAnswer, error) {
	const wait = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return peer.Call[wire.Room, wire.RoomAnswer](ctx, d.Link.Bulk(), wire.PathRoom, wire.Room{Path: path})
}

// RemoveData implements api.ProtectedData.
func (d *Data) RemoveData(ctx context.Context, name string) error {
	return d.Lead.ChangeFor(ctx, "stopped protecting "+name, func() error {
		defer d.Count(ctx)
		return d.Store.Data.Remove(ctx, name)
	})
}

// TestData implements api.ProtectedData.
func (d *Data) TestData(ctx context.Context, data api.DataSpec) ([]api.Check, error) {
	if !isProtected(data.Kind) {
		return nil, act.NotYet("protecting a " + data.Kind + " database")
	}
	wanted, err := d.checkNewData(ctx, data)
	if err != nil {
		err = act.Failure(err)
		if known, ok := errors.AsType[*pair.Refusal](err); ok && (known.Code == pair.Usage || known.Code == pair.Refused) {
			return []api.Check{api.Fail("rules", "This cannot be protected.", reasonOf(known))}, nil
		}
		return nil, err
	}
	checks := []api.Check{api.Pass("rules", "Name and path keep apart from other protected data, the system and Baton's own directory.")}
	switch fresh, err := d.allowing(ctx, data.Path); {
	case err != nil:
		return append(checks, api.Fail("allowed", "This cannot be protected.", err.Error())), nil
	case fresh != "":
		checks = append(checks, api.Pass("allowed", "The configuration of this machine does not name "+fresh+": adding it as root here allows it on this machine."))
	}
	found := d.Disks.At(ctx, specOf(data))[0]
	checks = append(checks, found)
	if !found.OK {
		return checks, nil
	}
	if wanted.Spec.Kind() == pair.DataDirectory {
		checks = append(append(checks, disks.Measure(ctx, data.Path)), disks.Databases(ctx, data.Path, wanted.Spec.Excludes().Matcher().Excludes)...)
	}
	return append(checks, d.checkRoom(ctx, wanted)...), nil
}

// reasonOf is what a refusal says, without the names of its fields.
func reasonOf(refused *pair.Refusal) string {
	if len(refused.Fields) == 0 {
		return refused.Text
	}
	texts := make([]string, len(refused.Fields))
	for i, field := range refused.Fields {
		texts[i] = field.Text
	}
	return strings.Join(texts, "; ")
}

// checkRoom tells of the disks on both sides.
func (d *Data) checkRoom(ctx context.Context, data pair.Data) []api.Check {
	var checks []api.Check
	if here, err := disks.Room(data.Spec.Here(d.Self).String()); err == nil {
		checks = append(checks, api.Pass("room-here", "Here, "+roomText(here)+"."))
	}
	pinned, paired := d.Link.Paired()
	if !paired {
		return checks
	}
	there, err := d.askPlace(ctx, d.there(data))
	if no, told := errors.AsType[*peer.RemoteError](err); told && no.Code == notAllowedThere {
		return append(checks, api.Fail("allowed-there", "This cannot be protected on "+pinned.Name+".", no.Text+"."))
	}
	if err != nil {
		return append(checks, api.Fail("room-there", "How much room "+pinned.Name+" has is not known: it does not answer.", "Test again when it is back."))
	}
	return append(checks, api.Pass("room-there", "On "+pinned.Name+", "+roomText(there)+"."))
}

// Protection implements api.ProtectedData.
func (d *Data) Protection(ctx context.Context) (api.Protection, error) {
	all, err := d.Store.Data.List(ctx)
	if err != nil {
		return api.Protection{}, act.Failure(err)
	}
	snapshot, measures, err := d.Engine.Measured()
	if err != nil {
		d.Log.Warn("the newest snapshot cannot be measured", slog.String("error", err.Error()))
	}
	known := api.Protection{Site: d.sitePart(snapshot), Data: make([]api.ProtectedPart, len(all)), Offer: d.Offer(all)}
	specs := make([]pair.Spec, len(all))
	for i, data := range all {
		known.Data[i] = d.part(data, snapshot, measures)
		known.Data[i].Data = d.listed(shown(all, data))
		specs[i] = data.Spec.Here(d.Self)
	}
	for i, health := range d.Disks.At(ctx, specs...) {
		known.Data[i].Health = health
	}
	return known, nil
}

// Offer proposes to protect the directory that this appliance serves as the public
// site; nil if it serves none, or that lies in a protected one.
func (d *Data) Offer(all []pair.Data) *api.DataSpec {
	if d.Site == "" {
		return nil
	}
	root := filepath.Clean(d.Site)
	wanted := &api.DataSpec{Name: "site", Kind: string(pair.DataDirectory), Path: root}
	for _, data := range all {
		if pair.Within(root, data.Spec.Here(d.Self).String()) {
			return nil
		}
		if data.Name == wanted.Name {
			wanted.Name = "public-site"
		}
	}
	return wanted
}

// sitePart is the site database, which is always protected.
func (d *Data) sitePart(snapshot pair.Snapshot) api.ProtectedPart {
	path := filepath.Join(d.DataDir, "site.db")
	part := d.part(pair.Data{Name: pair.SiteDatabaseName, Spec: pair.SiteDatabase{}}, snapshot, nil)
	part.Path = path
	part.Health = api.Pass("readable", "Settings, users, tokens and the list of protected data.")
	if info, err := os.Stat(path); err == nil {
		part.Measured, part.Files, part.Bytes = true, 1, info.Size()
	}
	if part.State == api.DataWaiting && !snapshot.IsZero() {
		d.synced(&part, snapshot)
	}
	return part
}

// part tells how far a piece of data is on the backup.
func (d *Data) part(data pair.Data, snapshot pair.Snapshot, measures []ledger.Measure) api.ProtectedPart {
	part := api.ProtectedPart{Data: d.listed(data), State: api.DataWaiting}
	if d.Agent.Decision().State.Record.Role == pair.Standalone {
		part.State = api.DataAlone
	}
	for _, m := range measures {
		if !m.Data.Same(data) {
			continue
		}
		part.Measured, part.Files, part.Bytes = true, m.Files, m.Bytes
		if part.State == api.DataWaiting {
			d.synced(&part, snapshot)
		}
	}
	return part
}

func (d *Data) synced(part *api.ProtectedPart, snapshot pair.Snapshot) {
	part.State, part.Snapshot = api.DataSynced, snapshot.Number
	part.SyncedAt = new(time.UnixMilli(snapshot.TakenAt).UTC())
}

func roomText(room wire.RoomAnswer) string {
	return fmt.Sprintf("%s of %s are free on the disk", pair.BytesText(room.Free), pair.BytesText(room.Whole))
}
