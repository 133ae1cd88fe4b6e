package failover

import (
	"cmp"
	"slices"

	"baton/internal/pair"
)

// Conditions lists what an administrator should know now, as far as the
// decision knows it. The agent adds since when, and what the edges report.
func (c Config) Conditions(s State) []pair.Condition {
	var found []pair.Condition
	for _, row := range conditionRows(facts{&s, &c, s.Now}) {
		if row.holds {
			found = append(found, row.condition)
		}
	}
	return found
}

// Because says in a sentence why a condition lasts, as far as the decision knows;
// empty: it knows nothing more.
func (c Config) Because(s State, id string) string {
	switch {
	case id == "not-serving" && s.Blocked != Agreed:
		return s.Blocked.String()
	case s.Record.Role == pair.Primary && slices.Contains([]string{"site-sick", "services-failed", "data-not-opened"}, id):
		f := facts{&s, &c, s.Now}
		if why := f.weigh(offerGuards(f)).why; why != Agreed {
			return "It stays here: " + unoffered(f, why)
		}
	}
	return ""
}

// unoffered says why this primary offers its backup no handover. The reason may lie with
// the backup.
func unoffered(f facts, why Reason) string {
	switch {
	case why == NoCarrier:
		return "The interface of a shared IP has no carrier on the backup, either."
	case why == PeerSilent && f.hears():
		return "The backup is not ready to take over."
	}
	return why.String()
}

type conditionRow struct {
	condition pair.Condition
	holds     bool
	unready   []Reason // the reasons for not being ready that this condition tells
}

func row(id string, severity pair.Severity, text, nextStep string, holds bool, unready ...Reason) conditionRow {
	return conditionRow{pair.Condition{ID: id, Severity: severity, Text: text, NextStep: nextStep}, holds, unready}
}

// Remedy returns the next step of the condition that tells this reason. If several tell it,
// the open one wins.
func (c Config) Remedy(s State, why Reason) (step string) {
	for _, row := range conditionRows(facts{&s, &c, s.Now}) {
		if !slices.Contains(row.unready, why) {
			continue
		}
		if row.holds {
			return row.condition.NextStep
		}
		step = cmp.Or(step, row.condition.NextStep)
	}
	return step
}

func conditionRows(f facts) []conditionRow {
	return slices.Concat(peerConditions(f), roleConditions(f), readinessConditions(f), effectConditions(f))
}

func peerConditions(f facts) []conditionRow {
	failing := func(failure pair.PollFailure) bool { return f.Failed.Set && f.Failure == failure }
	return []conditionRow{
		row("peer-unreachable", pair.Warning, "The peer does not answer polls.",
			"Look at the peer machine, its cable and its network.",
			failing(pair.NoAnswer) && f.Record.Role != pair.Standalone && !f.hears() && !f.Peer.Stopping),
		row("peer-stopped", pair.Warning, "Baton was told to stop on the peer, and has stopped there.",
			"Start it there when the work is done: systemctl start baton.", f.Record.Role != pair.Standalone && f.Peer.Stopping),
		row("key-mismatch", pair.Critical, "The peer has another Inter-appliance Communication Pre-shared Key; nothing is synced, and automatic failover waits.",
			"Save the same key on the Security page of both appliances.", failing(pair.KeyMismatch), PeerRefusesUs),
		row("peer-identity-changed", pair.Critical, "The peer shows another certificate than the one it was paired with, or is not paired with this appliance any more; it is not trusted.",
			"If that machine was reinstalled or has broken the relationship, break it here too (baton unpair --force) and establish it again; if not, find out who answers there.", failing(pair.IdentityChanged), PeerRefusesUs),
		row("peer-version", pair.Critical, "The peer speaks no protocol version that this appliance speaks.",
			"Install the same version of Baton on both appliances.", failing(pair.VersionMismatch), PeerRefusesUs),
		row("peer-link-down-but-serving", pair.Critical, "The primary does not answer polls, but the shared IP still answers: no takeover.",
			"Look at the primary: its daemon or the link between the appliances is down, not the machine.",
			f.Phase == pair.Suspect && f.Blocked == AddressAnswers && f.Evidence.ownedLately(f.timeout(), f.now), AddressAnswers),
		row("own-network-at-fault", pair.Critical, "Neither the primary nor enough test IPs answer: this appliance takes its own network to be at fault and does not take over.",
			"Look at this machine's cable and switch, and at the test IPs.",
			f.Phase == pair.Suspect && f.Blocked == NetworkLost && f.Evidence.unreached(), NetworkLost),
		row("shared-ip-foreign", pair.Critical, "Another machine announces the shared IP while this appliance holds it.",
			"Find the machine that uses the address and take it off there.",
			f.Foreign.within(foreignShown, f.now) && f.Door == Open),
	}
}

func roleConditions(f facts) []conditionRow {
	stuck := f.Phase == pair.Waiting || f.Phase == pair.Claiming
	lasting := f.now.Sub(f.Since) > f.config.Timeout // longer than a state that passes by itself
	lead := "Force Become Primary on the one whose data is newer, or run there: baton become primary --force."
	if f.Record.Granted || f.Peer.Granted {
		lead = "The site was handed over, and the appliance that was to take it could not. It takes it by itself as soon as it can store its state: look there at data_dir. Or force Become Primary on the one that handed over, or run there: baton become primary --force."
	}
	return []conditionRow{
		row("alone", pair.Warning, "This primary serves without a backup that answers.",
			"Bring the peer back; until then a failure of this machine takes the site down.", f.Place() == Place{pair.Primary, pair.Alone}),
		row("isolated", pair.Critical, "This primary hears neither its peer nor enough test IPs, and has taken the shared IP off.",
			"Look at this machine's cable and switch; it serves again when contact returns, unless the peer took over.", f.Place() == Place{pair.Primary, pair.Isolated}),
		row("address-taken", pair.Critical, "Another machine has taken the shared IP; this primary has stepped aside until it hears its peer.",
			"Restore the link between the two appliances.", f.Record.Taken),
		row("shared-ip-in-use", pair.Critical, "Another machine answers for the shared IP, so this appliance does not put it on.",
			"Find the machine that uses the address and take it off there.",
			f.Record.Role != pair.Backup && f.Door == Closed && f.Blocked == AddressAnswers &&
				f.Evidence.ownedLately(f.timeout(), f.now)),
		row("conflict", pair.Critical, "Both appliances claim data that the other does not know; neither is overwritten by itself.",
			"Compare what each holds (baton data compare, or the console), then force Become Primary on the one whose data stays, or run there: baton become primary --force.",
			f.conflict(), EpochsClash),
		row("not-serving", pair.Critical, "This appliance is the primary, and does not serve the site.",
			"Look at the other conditions, and at the history: baton history.",
			f.Record.Role == pair.Primary && stuck && (f.Tries >= manyTries || f.now.Sub(f.Since) > deciding*f.timeout())),
		row("primary-set-back", pair.Critical, "This primary's disk was set back to an older state: the backup holds a newer snapshot of the same epoch. Nothing is synced, and there is no automatic failover.",
			"Choose whose data stays; the other's is set aside. This primary's: force Become Primary here, or run here: baton become primary --force. The backup's: Become Primary there without a final data sync, or run there: baton become primary.",
			f.Record.Role == pair.Primary && f.SetBack),
		row("peer-set-back", pair.Critical, "The primary's disk was set back to an older state: this backup holds a newer snapshot of the same epoch. Nothing is synced, and there is no automatic failover.",
			"Choose whose data stays; the other's is set aside. This backup's: Become Primary here without a final data sync, or run here: baton become primary. The primary's: force Become Primary there, or run there: baton become primary --force.",
			f.Record.Role == pair.Backup && f.Peer.SetBack, PrimarySetBack),
		row("no-primary", pair.Critical, "Both appliances are backups, so nobody serves the site.",
			lead, f.leaderless(), NoPrimary),
		row("waiting-for-primary", pair.Critical, "This backup has not heard its primary since it started, so it does not take over by itself.",
			"Bring the primary back, or force Become Primary to serve with the data here: baton become primary --force.",
			f.Record.Role == pair.Backup && f.Phase == pair.Waiting && lasting, NeverHeard),
		row("still-releasing", pair.Warning, "This backup is still taking its former primaryship down, so it could not take over.",
			"Wait; if it lasts, look at the log for the disk or the service that does not answer.",
			f.Record.Role == pair.Backup && f.Phase == pair.Releasing && lasting, EffectsPending, NotSetAside),
		row("shared-ip-no-carrier", pair.Critical, "The interface of a shared IP has no carrier: this appliance can serve nobody there.",
			"Look at the cable of that interface and at its switch. If this machine has no such interface, do what shared-ip-no-interface says.",
			f.Unplugged.Set && f.now.Sub(f.Unplugged.At) >= f.timeout(), NoCarrier),
		row("maintenance", pair.Info, "The pair is in maintenance: no automatic failover.",
			"When the work is done, end it on the Status page of either appliance, or run: baton maintenance off.",
			f.maintained(), InMaintenance),
		row("stopping", pair.Info, "This appliance was told to stop: it takes nothing over, and a primary hands the site over first, if it can.",
			"Wait until it has stopped; systemctl start baton starts it again.", f.Leaving != Stays, ToldToStop),
		row("observing", pair.Info, "Observe only: automatic failover records what it would do, and does nothing.",
			"Uncheck observe only on the Failover page when you trust it, or run: baton settings set observe_only=false.",
			f.Record.Role != pair.Standalone && f.config.ObserveOnly && f.config.AutomaticFailover, WouldTakeOver),
	}
}

func readinessConditions(f facts) []conditionRow {
	why := eligible(f).why
	unready := func(missing Reason) bool { return f.Record.Role == pair.Backup && why == missing }
	automatic := f.Record.Role != pair.Standalone && f.config.AutomaticFailover && f.config.BackupOperations
	return []conditionRow{
		row("backup-operations-off", pair.Warning, "Enable Backup Operations is off: nothing is synced by itself, and there is no automatic failover.",
			"Check Enable Backup Operations on the Failover page, or run: baton settings set backup_operations=true.",
			f.Record.Role != pair.Standalone && !f.config.BackupOperations, OperationsOff),
		row("automatic-failover-off", pair.Info, "Enable Automatic Failover is off: if the primary fails, the site is down until somebody makes the backup primary.",
			"Check Enable Automatic Failover on the Failover page, or run: baton settings set automatic_failover=true.",
			f.Record.Role != pair.Standalone && f.config.BackupOperations && !f.config.AutomaticFailover, AutomaticOff),
		row("no-shared-ip", pair.Warning, "Automatic failover does not function without a shared IP on both appliances.",
			"Check the same Shared IP on the Failover page of both, or run on both: baton shared-ip enable ADDRESS.",
			automatic && (!f.config.SharedIP || f.PeerHeard.Set && !f.Peer.SharedIP), NoSharedIP),
		row("shared-ip-differs", pair.Warning, "The shared IPs that are enabled on the two appliances are not the same, so a takeover or a switch would lose an address: there is no automatic failover.",
			"Enable the same ones on the Failover page of both, or compare what this says on both: baton shared-ip list, and run where one is missing: baton shared-ip enable ADDRESS.",
			f.Record.Role != pair.Standalone && otherIPs(f), OtherSharedIPs),
		row("no-test-ips", pair.Warning, "Automatic failover is off because no Network Connectivity Test IPs are set.",
			"Set at least one address outside both appliances, as the gateway, on the Failover page, or run: baton settings set test_ips=ADDRESS.",
			automatic && f.config.TestIPs == 0, NoTestIPs),
		row("timeout-below-lease", pair.Info, "The Primary Site Instance Timeout is below 4 s, and the primary has no traffic lease: a hung daemon's address outlasts the timeout, and a takeover then waits until the kernel has dropped the address.",
			"See on the primary why it has no traffic lease (baton doctor), or set the Primary Site Instance Timeout to 4 s or more.",
			automatic && (f.Record.Role == pair.Primary || f.PrimaryHeard.Set) && !f.config.LeaseGuards(*f.State)),
		row("automatic-paused", pair.Critical, "Automatic failover is paused: there were three automatic takeovers within an hour.",
			"Find the cause in the history, then resume on the Status page, or run: baton resume.",
			f.Record.Damped || f.Record.Role == pair.Backup && usedUp(f), Paused, TooManyTakeovers),
		row("no-snapshot", pair.Warning, "This backup has no complete snapshot yet and could not take over.",
			"Wait for the first data sync, or use Sync Now: baton sync --wait.", unready(NoSnapshot), NoSnapshot),
		row("data-too-old", pair.Warning, "The newest snapshot is older than the highest data age allowed: no automatic failover.",
			"Look at why data syncs fail, or raise the highest data age on the Failover page (max_data_age).", unready(DataTooOld), DataTooOld),
		row("data-age-unknown", pair.Warning, "The time of the newest snapshot lies in the future, so its age is not known; with a highest data age set there is no automatic failover.",
			"Set the clocks of both appliances, as with systemd-timesyncd; the next complete data sync ends this.",
			f.Record.Role == pair.Backup && !f.Record.Snapshot.IsZero() && !f.SnapshotAt.Set, DataAgeUnknown),
	}
}

func effectConditions(f facts) []conditionRow {
	again := f.Door != Closed && !f.Door.serves()
	broken := func(effect Effect) bool { return f.Broken == effect || again && f.Again == effect }
	return []conditionRow{
		row("state-not-saved", pair.Critical, "The state of this appliance could not be written to disk.",
			"Free some space in data_dir, and see that it is not mounted read-only.", !f.canSave(), NotSaved),
		row("data-not-opened", pair.Critical, "The protected data could not be made ready.",
			"Look at the log for the path and the reason.", broken(OpeningOfData)),
		row("services-failed", pair.Critical, "A service did not start.",
			"Look at the log of the service that the reason names: baton service log NAME.", broken(StartOfServices)),
		row("service-does-not-stop", pair.Critical, "A service did not stop: while it may still write, nothing is synced here, and this appliance takes nothing over.",
			"Stop the service by hand, or restart this machine; Baton tries again by itself.", broken(StopOfServices)),
		row("claim-failed", pair.Critical, "The shared IP could not be put on its interface.",
			"See that the interface exists and is up, and that the daemon has CAP_NET_ADMIN.", broken(ClaimOfAddress)),
		row("release-failed", pair.Critical, "The shared IP could not be taken off its interface; the kernel drops it when its lifetime ends.",
			"Look at the log; if it stays, take the address off by hand.", broken(ReleaseOfAddress)),
		row("diverged-not-set-aside", pair.Critical, "What this appliance wrote as primary could not be set aside, so nothing is synced over it.",
			"Free disk space in data_dir, or delete old diverged copies on the Status page: baton diverged list. The log tells if a database server must be stopped here instead.", broken(SettingAside)),
		row("site-sick", pair.Critical, "The site on this appliance is sick.",
			"Mend what serves it, as the web server or a disk, or switch: baton become backup --final-sync (if a data sync is refused, as for a missing disk: without --final-sync).",
			f.Sick && f.Door == Open),
	}
}

// ProtectionLevel says how well the pair is guarded against two primaries, 1 to 4,
// or 0 for not at all: while not paired, and while no peer answers that is the other
// half of the pair. Beyond is what this machine adds to what the decision knows: a
// second path to the peer or a watchdog.
func (c Config) ProtectionLevel(s State, beyond bool) int {
	switch {
	case !facts{&s, &c, s.Now}.complete():
		return 0
	case c.TestIPs == 0 || !c.SharedIP || !s.Peer.SharedIP || c.OtherSharedIPs(s) || !c.LeaseGuards(s):
		return 1
	case !beyond:
		return 2
	}
	return 3
}

// complete reports whether a primary and a backup hear each other.
func (f facts) complete() bool {
	other := map[pair.Role]pair.Role{pair.Primary: pair.Backup, pair.Backup: pair.Primary}[f.Record.Role]
	return other != pair.Standalone && f.Peer.Role == other && f.hears() && !f.conflict()
}
