package app

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"baton/internal/act"
	"baton/internal/admin"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/config"
	"baton/internal/console"
	"baton/internal/console/page"
	"baton/internal/datasync"
	"baton/internal/exchange"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/lease"
	"baton/internal/listen"
	"baton/internal/notify"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/report"
	"baton/internal/service/drystart"
	"baton/internal/service/keeper"
	"baton/internal/sharedip"
	"baton/internal/signin"
	"baton/internal/status"
	"baton/internal/store"
	"baton/internal/store/local"
	"baton/internal/support"
	"baton/internal/traces"
	"baton/internal/watch"
)

// Appliance is one running daemon: everything that New made, and that Run runs.
type Appliance struct {
	config        config.Config
	version       string
	log           *slog.Logger
	recent        *support.Log
	begun         time.Time // when this daemon was made
	identity      peer.Identity
	local         *local.Store
	site          *store.Site
	engine        *datasync.Engine
	link          *peer.Link
	host          *sharedip.Host
	traffic       *lease.Lease
	ips           *addresses
	evidence      *evidence
	doors         listen.Doors
	history       *history
	agent         *agent.Agent
	acts          *acts
	allowing      *admin.Allowing
	server        *api.Server
	settings      *inforce.Settings
	exchange      *exchange.Exchange
	services      *keeper.Keeper
	dryStart      *drystart.DryStart
	machine       machine // that runs them
	room          *watch.Room
	disks         *watch.DataDisks
	following     func(pair.Data) (sentence string, is bool)
	differed      func() []string // databases in which a bit flipped
	notifier      *notify.Notifier
	people        signin.Subjects
	setupToken    string
	public        *listen.Public
	overview      *status.Overview
	notifications *admin.Notifications
	way           *watch.Way
	wayBack       *watch.WayBack
	runs          watch.Runs
	lead          *act.Lead

	reached     *watch.Reach
	outside     *watch.Outside
	files       *watch.Files
	application *watch.Application
	kernel      *watch.Traffic
	protected   atomic.Int64 // how many directories are
	strays      *watch.Strays
	inherited   *listen.Inherited
	refused     refusedReload
	listening   *watch.Listening
	next        *successor             // takes the place of this process; nil: none does
	left        *failover.Continuation // of the process before this one; nil: this one begins anew
	kept        []string               // what is allowed only because an earlier version protected it, as this one first starts
}

// Serve runs an appliance until ctx ends, or until another program takes its place in this
// process.
func Serve(ctx context.Context, c config.Config, version string, log *slog.Logger) error {
	a, err := serve(ctx, c, version, log)
	if err != nil || a.next == nil {
		return err
	}
	return a.next.begin()
}

// serve runs an appliance to its end.
func serve(ctx context.Context, c config.Config, version string, log *slog.Logger) (*Appliance, error) {
	inherited := listen.Inherit()
	if inherited.None() {
		if err := listen.Free(ctx, c); err != nil {
			return nil, err
		}
	}
	defer traces.Watch(c.DataDir, log)()
	a, err := New(context.WithoutCancel(ctx), c, version, log) // told to stop meanwhile, it stops in order
	if err != nil {
		return nil, err
	}
	a.inherited = inherited
	return a, errors.Join(a.Run(ctx), a.Close())
}

// New reads what is stored and makes an appliance that has not begun to act. No
// shared IP is on an interface when it returns.
func New(ctx context.Context, c config.Config, version string, log *slog.Logger) (*Appliance, error) {
	a := &Appliance{config: c, version: version, recent: new(support.Log), begun: time.Now(), inherited: new(listen.Inherited)}
	a.log = a.recent.Logger(log)
	for _, step := range []func(context.Context) error{a.openStores, a.openEdges, a.openLink, a.openPublic, a.compose} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	return a, nil
}

func (a *Appliance) openStores(ctx context.Context) (err error) {
	dir := filepath.Join(a.config.DataDir, "local")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if a.identity, err = peer.LoadIdentity(dir); err != nil {
		return err
	}
	if a.local, err = local.Open(dir, a.identity.ID(), a.log); err != nil {
		return err
	}
	path := filepath.Join(a.config.DataDir, "site.db")
	a.site, err = store.OpenSite(ctx, path, a.identity.ID(), a.log, a.config.DataDir)
	return err
}

func (a *Appliance) openEdges(ctx context.Context) (err error) {
	a.host = sharedip.New(a.config.SharedIPs, a.log)
	if a.left = takeContinuation(a.config, a.log); a.left == nil {
		if err = a.host.Cleanup(ctx); err != nil {
			return fmt.Errorf("take off what an earlier run left: %w", err)
		}
	}
	a.traffic = lease.New(a.config.SharedIPs, ownPorts(a.config), a.log)
	a.kernel = &watch.Traffic{Lease: a.traffic, Missing: a.traffic.Install(passingOf(a.left, ticked(a.config.SharedIPs, a.local)))}
	if a.kernel.Missing != nil {
		a.log.Warn("no traffic lease here: the lifetime of the address alone ends a site whose daemon hangs", slog.String("error", a.kernel.Missing.Error()))
	}
	a.allowing = &admin.Allowing{
		Name: a.config.Name, Protect: a.config.Protect, Local: a.local, Store: a.site, Audit: act.Audit{Record: func(e pair.Event) { a.history.Record(e) }},
	}
	if a.config.Site != nil {
		a.allowing.Site = a.config.Site.Root
	}
	if a.kept, err = a.allowing.Keep(ctx); err != nil {
		return err
	}
	dir := filepath.Join(a.config.DataDir, "sync")
	kinds, err := a.kinds(dir)
	if err != nil {
		return err
	}
	a.engine, err = datasync.Open(ctx, datasync.Options{
		Dir: dir, Kinds: kinds, Log: a.log, Data: a.site.Data.List, Aside: (&data{a}).setAside, Missing: (&data{a}).missing, Hangs: a.disks.Hangs,
		Offering: func(ctx context.Context, offer pair.Snapshot) error { return a.agent.DataOffered(ctx, offer) },
	})
	return err
}

func (a *Appliance) openLink(context.Context) (err error) {
	a.history = newHistory(a.site, a.log)
	a.link, err = peer.New(peer.Options{
		Identity:   a.identity,
		Keeper:     vault{a.local},
		Self:       a.hello,
		Port:       place(a.config).port(),
		Log:        a.log,
		OnEvent:    a.history.Record,
		OnPaired:   a.paired,
		OnUnpaired: a.unpaired,
		Pace:       func() time.Duration { return a.settings.Get().Poll() },
		LocalAddr:  place(a.config).own,
	})
	return err
}

// openPublic readies what people meet; a page or certificate that cannot be shown
// is no reason not to serve.
func (a *Appliance) openPublic(ctx context.Context) error {
	own, err := listen.ConsoleCertificate(filepath.Join(a.config.DataDir, "local"), a.config.Name)
	if err != nil {
		return err
	}
	a.doors = listen.NewDoors(a.config, a.link.Bulk().Transport, a.log)
	a.public = listen.NewPublic(a.doors, own, a.config.SharedIPs)
	if err := a.showSite(ctx); err != nil {
		a.log.Error("the site's page or certificate cannot be shown", slog.String("error", err.Error()))
	}
	return nil
}

// compose makes the agent, and lets the rest know of it.
func (a *Appliance) compose(ctx context.Context) error {
	saved, version, err := a.site.Settings.Get(ctx)
	if err != nil {
		return err
	}
	a.outside = &watch.Outside{SharedIPs: a.config.SharedIPs, Link: a.link, Log: a.log}
	a.overview = &status.Overview{
		ID: a.identity.ID(), Name: a.config.Name, Version: a.version, Address: place(a.config).forPeer, SharedIPs: a.config.SharedIPs,
		Link: a.link, Engine: a.engine, Host: a.host, Traffic: a.traffic, Local: a.local, Store: a.site, Log: a.log,
		Ticked: func() []pair.SharedIP { return a.ips.ticked() }, Protected: a.protected.Load,
	}
	a.ips = newAddresses(a.host, a.traffic, a.config.SharedIPs, a.local, a.log, a.overview.Opening.Claimed)
	a.evidence = newEvidence(a.host, a.ips.ticked)
	a.settings = inforce.NewSettings(saved, version)
	a.overview.Settings = a.settings
	a.countProtected(ctx)
	a.room = &watch.Room{Dir: a.config.DataDir, Copies: func() int64 { return a.engine.Diverged.IDs().Bytes }, Log: a.log}
	a.room.Measure()
	a.exchange = &exchange.Exchange{
		Link: a.link, Store: a.site, Settings: a.settings, Overview: a.overview, Enforce: a.enforce, Documents: a.showDocuments, Full: a.room.Lacks,
		Outdated: make(chan struct{}, 1), Log: a.log,
	}
	a.notifications = &admin.Notifications{Store: a.site}
	a.notifier = a.newNotifier()
	a.notifications.Notifier = a.notifier
	a.history.written = a.notifier.Wake
	a.lead = &act.Lead{Link: a.link, Audit: act.Audit{Record: a.history.Record}}
	a.notifications.Lead = a.lead
	a.setupToken = peer.Generate()
	a.people = signin.New(signin.Options{
		Name: a.config.Name, Store: a.site, Lead: a.lead, Rules: inforce.NewSecurity(), Token: a.setupToken, Log: a.log,
	})
	a.people.Security.Load(ctx)
	a.exchange.ReadNames(ctx)
	a.services = newServices(a)
	a.dryStart = newDryStart(a)
	a.watch()
	record := a.local.State().Record
	conf := weaken(failover.Config{Self: a.identity.ID(), Version: a.version, Run: newRun()})
	a.enforce(&conf)
	beat := newBeat(func() agent.Decision { return a.agent.Decision() })
	a.overview.Watched = beat != nil
	a.history.Record(a.started()) // ahead of all that this run does
	a.allowing.NoteKept(a.kept)
	a.agent = agent.New(agent.Options{
		Config: conf, Record: record, Left: a.left, Snapshot: a.startSnapshot(), Offered: a.engine.Offered(),
		Store: a.local, Mover: a.ips, Evidence: a.evidence,
		Peer: &partner{link: a.link, check: a.checkView, notice: a.exchange.Notice}, Door: a.doors, Services: a.services,
		Data: &data{appliance: a}, History: a.history, Log: a.log,
		Clock: agent.BootClock, Wall: time.Now, Schedule: a.settings.Next, Found: a.overview.Conditions, Beat: beat,
	})
	a.lead.Agent = a.agent
	a.overview.Agent, a.exchange.Agent, a.reached.Agent, a.way.Agent, a.wayBack.Agent = a.agent, a.agent, a.agent, a.agent, a.agent
	a.acts = a.newActs()
	a.server = api.NewServer(a.acts.contract(), api.Options{Log: a.log, Version: a.version, AllowMetrics: a.mayReadMetrics})
	a.handlePeer()
	return nil
}

// watch makes what is looked at beside the loop.
func (a *Appliance) watch() {
	a.listening = &watch.Listening{Config: a.config}
	a.reached = &watch.Reach{IPs: func() []netip.Addr { return a.outside.Of(a.settings.Get().TestIPs) }}
	a.strays = &watch.Strays{Name: a.config.Name, Traffic: a.traffic, Fresh: a.overview.Fresh}
	a.way = &watch.Way{Link: a.link, Log: a.log, Report: func(ctx context.Context) pair.Report { return a.overview.Report(ctx, time.Now()) }}
	a.wayBack = watch.NewWayBack(a.link)
	a.files = &watch.Files{Name: a.config.Name, Fresh: a.overview.Fresh, Wanted: func() bool {
		s := a.agent.Decision().State
		return !a.public.HasPage() && (s.Serving() || s.Record.Role == pair.Backup && !s.Record.Snapshot.IsZero())
	}}
	a.application = &watch.Application{Name: a.config.Name, Serving: func() bool { return a.agent.Decision().State.Serving() }}
	if site := a.config.Site; site != nil {
		a.files.Root, a.files.Listen = site.Root, site.Addresses()
		if site.Upstream != nil {
			a.application.Upstream = *site.Upstream
		}
	}
	a.overview.Reach, a.overview.Files, a.overview.Services = a.reached, a.files, a.services
	a.overview.DryStart, a.overview.WayBack = a.dryStart, a.wayBack
	a.overview.Others = []func() []pair.Condition{
		a.ips.Conditions, a.runs.Conditions, a.expiring, a.kernel.Conditions, a.strays.Conditions, a.room.Conditions, a.disks.Conditions, (&watch.Moving{Found: a.engine.Moving, LeftOut: a.engine.LeftOut.List, Differed: a.differed}).Conditions, a.exchange.Conditions, a.files.Conditions, a.application.Conditions, a.reached.Conditions, a.way.Conditions, a.wayBack.Conditions,
		a.notifications.Conditions, a.refused.Conditions, a.listening.Conditions, a.services.Conditions, a.dryStart.Conditions,
	}
}

// listeners open the addresses of the configuration file.
func (a *Appliance) listeners() (*listen.Listeners, error) {
	pages, err := console.New(a.acts.contract(), page.Options{Log: a.log})
	if err != nil {
		return nil, err
	}
	return listen.New(listen.Listeners{
		Config: a.config, Server: a.server, Pages: pages, Link: a.link, Doors: a.doors, Public: a.public, Log: a.log, Inherited: a.inherited,
	}), nil
}

// newRun returns a number that tells this run of the daemon from others.
func newRun() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return binary.BigEndian.Uint64(b[:])
}

// Run acts until told ends or a part fails. Told to stop, it hands the site over first, if
// it can.
func (a *Appliance) Run(told context.Context) error {
	listeners, err := a.listeners()
	if err != nil {
		return err
	}
	open, err := listeners.Open(context.WithoutCancel(told))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(context.WithoutCancel(told))
	defer stop(nil)
	begin := func(ctx context.Context, group *sync.WaitGroup, part listen.Part) {
		group.Go(func() {
			if err := part.Serve(ctx); err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("%s: %w", part.Name, err))
			}
		})
	}
	if a.left != nil {
		_ = a.doors.Hold(ctx) // until the agent has looked at what was left; nothing runs yet
	}
	heard, stopListening := context.WithCancelCause(ctx)
	defer stopListening(nil)
	var listening, parts sync.WaitGroup
	for _, part := range open {
		begin(heard, &listening, part)
	}
	// The link outlives the agent, which says goodbye over it.
	linked, unlink := context.WithCancel(context.WithoutCancel(ctx))
	defer unlink()
	begin(linked, &parts, listen.Part{Name: "peer link", Serve: a.link.Run})
	for _, part := range partsOf(a) {
		begin(ctx, &parts, part)
	}
	begin(ctx, &parts, listen.Part{Name: "agent", Serve: func(ctx context.Context) error {
		defer unlink()
		return a.agent.Run(ctx)
	}})
	a.log.Info("running", slog.String("name", a.config.Name), slog.String("id", string(a.identity.ID())), slog.String("version", a.version))
	a.tellOfSetup(ctx)
	if err := running(a.config); err != nil {
		a.log.Warn("baton reload cannot be used", slog.String("error", err.Error()))
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // not under systemd: nobody to tell
	end := &ending{appliance: a, listeners: listeners, stopListening: stopListening, listening: listening.Wait}
	last := end.await(ctx, told)
	stop(nil)
	listening.Wait()
	parts.Wait()
	a.history.finish(ctx, last)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// partsOf are what runs beside the agent.
func partsOf(a *Appliance) []listen.Part {
	return []listen.Part{
		{Name: "history", Serve: a.history.run},
		{Name: "shared ips", Serve: func(ctx context.Context) error { return a.host.Run(ctx, a.sightings()) }},
		{Name: "traffic lease", Serve: func(ctx context.Context) error { return a.traffic.Run(ctx, func() { a.agent.Configure(a.enforce) }) }},
		{Name: "upkeep", Serve: func(ctx context.Context) error { keepUp(ctx, a.chores()); return nil }},
		{Name: "signs of life", Serve: (&watch.Disk{Every: report.AliveEvery, Write: a.beat, Agent: a.agent, Log: a.log}).Run},
		{Name: "reports", Serve: a.exchange.Run},
		{Name: "services", Serve: a.services.Run},
		{Name: "disks of protected data", Serve: a.disks.Run},
		{Name: "dry start", Serve: a.dryStart.Run},
		{Name: "site check", Serve: (&watch.Site{Agent: a.agent, Settings: a.settings, Parts: []watch.Part{a.disks, a.services}, Fit: func() bool {
			return a.services.Allowed() && a.dryStart.Fit() && a.disks.Fit()
		}}).Run},
		{Name: "files of the site", Serve: a.files.Run},
		{Name: "application of the site", Serve: a.application.Run},
		{Name: "reach of the backup", Serve: a.reached.Run},
		{Name: "way to the peer", Serve: a.way.Run},
		{Name: "way to the backup", Serve: a.wayBack.Run},
		{Name: "notifications", Serve: a.notifier.Run},
	}
}

// started says, besides, until when the run before was alive: it may have been cut off.
func (a *Appliance) started() pair.Event {
	detail := map[string]string{"version": a.version, "role": a.local.State().Record.Role.String(), "name": a.config.Name}
	text := "Baton " + a.version + " started."
	if a.left != nil {
		_ = a.beat()
		return pair.Event{Kind: pair.KindStarted, Text: text + " It goes on where the process before left off.", Detail: detail}
	}
	if last := a.local.LastBeat(); !last.IsZero() {
		detail["alive_ms"] = strconv.FormatInt(last.UnixMilli(), 10)
		if left := traces.Left(a.config.DataDir, last); left != "" {
			text += " The run before hung, and the watchdog ended it; its traces: " + left + "."
		}
	}
	if err := a.beat(); err != nil {
		a.log.Warn("sign of life not written", slog.String("error", err.Error()))
	}
	return pair.Event{Kind: pair.KindStarted, Text: text, Detail: detail}
}

// beat notes that this appliance is alive: how exactly a report can tell when one that
// nobody watched has died.
func (a *Appliance) beat() error { return a.local.Beat(time.Now()) }

// tellOfSetup tells, while there is no administrator, how to become the first.
func (a *Appliance) tellOfSetup(ctx context.Context) {
	if token, err := a.people.Setup.SetupToken(ctx); err == nil && token != "" {
		a.log.Info("no administrator yet: run baton setup --user NAME on this machine, or use the token", slog.String("setup_token", token))
	}
}

// Close releases what New took.
func (a *Appliance) Close() error {
	var failed []error
	if a.ips != nil {
		a.ips.lives.wait()
		a.ips.ending.Wait()
		a.ips.telling.Wait()
	}
	if a.traffic != nil {
		failed = append(failed, a.endTraffic())
	}
	if a.host != nil {
		a.host.Close()
	}
	if a.services != nil {
		a.services.Close()
	}
	if a.machine != nil {
		a.machine.Close()
	}
	if a.site != nil {
		failed = append(failed, a.site.Close())
	}
	if a.local != nil {
		failed = append(failed, a.local.Close())
	}
	return errors.Join(failed...)
}
