package failover

import (
	"time"

	"baton/internal/pair"
)

// Config is what an administrator has set, as far as the decision needs it. It
// may change between two calls of Next.
type Config struct {
	Self              pair.ApplianceID
	PeerID            pair.ApplianceID // the pinned peer; empty: none
	PairID            string
	Version           string        // product version, told to the peer
	Run               uint64        // of this daemon, told to the peer
	SettingsSum       uint64        // of the settings in force, told to the peer
	Timeout           time.Duration // Primary Site Instance Timeout
	Poll              time.Duration // poll interval
	TestIPs           int           // number of Network Connectivity Test IPs
	Majority          bool          // a majority of them must answer, not any
	SharedIP          bool          // at least one shared IP is ticked on this appliance
	Ticked            uint64        // sum of those that are, told to the peer; 0: none
	TrafficLease      bool          // the kernel here closes the traffic of the shared IP in time, by itself
	Front             bool          // Baton's own doors answer for the site here
	BackupOperations  bool
	AutomaticFailover bool
	ObserveOnly       bool
	MaxDataAge        time.Duration // 0: no limit
	StopLimit         time.Duration // how long the services here may take to stop, as they declare
	SiteCheck         pair.HealthCheck

	without guardSet // removed by a test, to show that they bear load
}

// Fractions of the timeout at which things happen. The order is what keeps two
// primaries apart: the primary is off the address (Isolate) well before the
// backup may put it on (the whole timeout).
const (
	testFrom    = 0.3 // primary: the peer is silent for so long: start pinging test IPs
	leaseLen    = 0.4 // primary: how long one contact, or one answered ping, entitles it
	isolate     = 0.6 // primary: no contact for so long and no ping answered: off
	evidence    = 0.5 // backup: how long silence and own connectivity must have lasted, without a gap
	turningAway = 0.2 // primary that hands over: how long the answers to the requests that it holds may take
	freshness   = 0.4 // backup: how old the newest probe may be
	returning   = 1.5 // primary that returns without its peer: how long it waits after contact or a stall; the backup has decided by then
	deciding    = 2   // primary that returns: for how long at most it leaves the shared IP to another machine that probes it
	patience    = 0.5 // primary that returns: how much longer one of the two waits, so that both never return at the same instant
)

// Pace of the evidence.
const (
	minProbes     = 3                      // address probes in a row without an answer
	maxPace       = 250 * time.Millisecond // slowest spacing of pings and probes
	lostBaseline  = 30 * time.Second       // of lost-address checks while all is well: they show that the check works here
	lostInARow    = 2                      // lost-address checks that must agree
	maxReclaims   = 3                      // announcements against a predecessor that is back, before we give way
	silentPolls   = 2                      // poll intervals without an answer before a backup suspects
	renewals      = 4                      // renewals of the address within one lease
	retryPause    = 1 * time.Second        // before a failed effect is tried again
	manyTries     = 4                      // attempts in a row to open the site, after which one more that is under way clears no condition
	longestPause  = 32 * time.Second       // before opening the site is tried again: from the third pause on, each is twice the one before
	turnAwayLimit = 100 * time.Millisecond // and that at most
	reclaiming    = time.Minute            // for how long the address has been ours when they are counted anew
	damping       = time.Hour              // window in which automatic takeovers are counted
	maxTakeovers  = 3                      // automatic takeovers within damping; one more pauses
	untoldPoll    = maxPace                // spacing of polls, at most, while the peer is to learn of a change
	reconcile     = time.Hour              // between two conflicts that end by themselves
	sickFor       = 10 * time.Minute       // how long a primary must have been well for the other appliance, where the site was sick, to be a target of an automatic handover again
	pluggedFor    = 10 * time.Second       // how long a carrier must have been in to be a target
	foreignShown  = time.Minute            // how long a foreign announcement stays a condition
)

// How long the parts of a planned switch may take. A hold lasts for the requests that
// run, then for the services that stop (Config.StopLimit), then for the final data sync;
// the backup is told of each, and waits for it.
const (
	drainLimit     = 5 * time.Second  // for requests that run when new ones begin to wait: most end within it, and whoever waits is kept no longer for a download
	finalSyncLimit = 30 * time.Second // for the final data sync: it looks at every file again, 50,000 in less than a second, and sends what was written last
	commitLimit    = 15 * time.Second // for the answer to a commit: a record on a slow disk, and an address that the kernel drops after 3 s
	untoldHold     = 15 * time.Second // for the hold of a primary that does not say what it waits for, as of an earlier version, which itself gave up asking after that
	late           = 5 * time.Second  // how much later than its bound an end may come: a busy machine, or an address that only the kernel takes off
	longestCommit  = 2 * time.Second  // what a commit and the release of the address are given at the end of a stop
	handoverLimit  = 10 * time.Minute // for the data sync before, while the primary serves; and for all that a peer does for us
)

// HeldLimit is how long one request is held at most. Then it is told to try again, as
// those are that are held when the site moves; a person waits no longer for a page.
const HeldLimit = 10 * time.Second

// addressLease bounds how long an address stays on a host whose daemon is gone: at
// most 2 s, which the kernel counts in whole seconds (measured: an address with
// 3 s left goes after 3.3 to 4.0 s).
func addressLease(timeout time.Duration) time.Duration {
	return min(part(leaseLen, timeout), 2*time.Second)
}

// part returns a fraction of a timeout.
func part(fraction float64, timeout time.Duration) time.Duration {
	return time.Duration(fraction * float64(timeout))
}

// pace is the spacing of pings and probes.
func pace(timeout time.Duration) time.Duration {
	return min(max(timeout/10, pair.MinPoll), maxPace)
}

// pingWait bounds one round of pings. A round that has its answer ends at once.
func pingWait(timeout time.Duration) time.Duration { return min(timeout/5, time.Second) }

// pollWait bounds one poll, so that several fit into a timeout and the last of
// them is young when it ends.
func pollWait(timeout time.Duration) time.Duration {
	return min(max(timeout/5, 30*time.Millisecond), 2*time.Second)
}

// LeaseGuards reports whether the kernel of a primary that hangs has closed its
// site before a takeover: by the traffic lease, which counts milliseconds, or since
// the timeout is long enough for the lifetime of the address: lease, one second of
// kernel granularity, stop time and margin. Otherwise the address probe alone
// guards against a hung daemon.
func (c Config) LeaseGuards(s State) bool {
	traffic := c.TrafficLease
	if s.Record.Role == pair.Backup {
		traffic = s.Peer.Traffic
	}
	return traffic || c.Timeout >= 4*time.Second
}

// TriesTestIPs says whether this is a backup that watches its primary and would take
// over by itself, how many test IPs it would have to reach, and within what time.
func (c Config) TriesTestIPs(s State) (need int, within time.Duration, wanted bool) {
	watches := s.Record.Role == pair.Backup && (s.Phase == pair.Steady || s.Phase == pair.Maintenance)
	f := facts{&s, &c, s.Now}
	return f.needed(pair.Backup), pingWait(f.timeout()), watches && f.armed()
}
