package pair

// ClearedText says what is true once a condition has gone: also if it went because the
// role changed or the relationship ended. An id that this version does not know is named.
func ClearedText(id string) string {
	if text := clearedTexts()[id]; text != "" {
		return text
	}
	return "The condition " + id + " is over."
}

func clearedTexts() map[string]string {
	return map[string]string{
		"peer-unreachable":           "The peer answers, or there is no peer any more.",
		"key-mismatch":               "The peer has the same pre-shared key.",
		"peer-identity-changed":      "The peer shows the certificate that it was paired with.",
		"peer-version":               "The peer speaks a protocol version that this appliance speaks.",
		"peer-link-down-but-serving": "The primary answers polls, or the shared IP has fallen silent.",
		"own-network-at-fault":       "This appliance reaches the primary or enough test IPs.",
		"shared-ip-foreign":          "No other machine announces the shared IP.",
		"shared-ip-no-interface":     "This machine has the interface of every shared IP.",
		"shared-ip-no-carrier":       "The interface of every shared IP has a carrier.",
		"shared-ip-in-use":           "No other machine answers for the shared IP.",
		"alone":                      "This primary has a backup that answers, or it serves no longer.",
		"isolated":                   "This appliance is no longer cut off, or the peer took over.",
		"address-taken":              "This appliance no longer waits because the shared IP was taken.",
		"conflict":                   "The conflict is settled.",
		"not-serving":                "This appliance serves the site, or it is the primary no longer.",
		"no-primary":                 "There is a primary.",
		"waiting-for-primary":        "This appliance has heard its primary, or it is one.",
		"still-releasing":            "The former primaryship is taken down.",
		"backup-operations-off":      "Enable Backup Operations is on, or there is no relationship.",
		"automatic-failover-off":     "Enable Automatic Failover is on, or it does not matter now.",
		"nothing-protected":          "At least one directory is protected, or there is no relationship.",
		"diverged-copies":            "No diverged copy with files is kept here.",
		"settings-set-aside":         "No diverged copy of settings and users alone is kept here.",
		"maintenance":                "Maintenance has ended.",
		"site-files-missing":         "The directory of the public site is there, or this appliance need not show it.",
		"site-differs":               "Both appliances serve the public site at the same addresses.",
		"observing":                  "Automatic failover acts, or it is off.",
		"no-shared-ip":               "A shared IP is enabled on both appliances, or it does not matter now.",
		"shared-ip-differs":          "The same shared IPs are enabled on both appliances, or there is no relationship.",
		"no-test-ips":                "Network Connectivity Test IPs are set, or they do not matter now.",
		"shared-ip-stray":            "No other program has a shared IP on this machine.",
		"peer-shared-ip-stray":       "No other program has a shared IP on the peer.",
		"test-ips-unreachable":       "This appliance reaches enough test IPs, or it is not a backup.",
		"timeout-below-lease":        "A hung primary loses the shared IP within the timeout, or that does not matter now.",
		"traffic-lease-lapsed":       "The traffic lease has held for a minute.",
		"traffic-blocked":            "No old nftables rules stop the traffic of the shared IP.",
		"ruleset-flushed":            "The nftables rules of the traffic lease have stood for a minute.",
		"automatic-paused":           "Automatic failover is no longer paused.",
		"no-snapshot":                "This appliance has a complete snapshot, or it is not a backup.",
		"data-age-unknown":           "The age of the newest snapshot is known, or it does not matter now.",
		"peer-cloned":                "The peer is one machine.",
		"late-writes":                "No copy of files that were written after a handover is kept here.",
		"peer-late-writes":           "No copy of files that were written after a handover is kept on the peer.",
		"primary-set-back":           "It is settled whose data stays after this primary's disk was set back.",
		"peer-set-back":              "It is settled whose data stays after the primary's disk was set back.",
		"data-torn":                  "The data here is whole.",
		"data-too-old":               "The newest snapshot is young enough, or its age does not matter now.",
		"data-dir-full":              "The file system of data_dir has room.",
		"state-not-saved":            "The state of this appliance is written to disk.",
		"data-not-opened":            "The protected data is ready, or this appliance no longer opens the site.",
		"services-failed":            "The services have started, or this appliance no longer opens the site.",
		"services-not-stopped":       "The services have stopped, or they are to run again.",
		"claim-failed":               "The shared IP is on its interface, or this appliance no longer claims it.",
		"release-failed":             "The shared IP is off its interface.",
		"diverged-not-set-aside":     "What this appliance wrote as primary is set aside.",
		"site-sick":                  "The site passes its check, or this appliance does not serve it.",
		"large-messages-lost":        "Large messages pass between the two appliances.",
		"peer-name-unresolved":       "The peer's name can be looked up.",
		"clock-off":                  "The clocks of the two appliances agree to the minute.",
		"certificate-expiring":       "The certificate is good for longer.",
		"settings-refused":           "The settings of the primary are in force here, or this appliance is no backup.",
		"sync-failed":                "A data sync has succeeded, or this appliance is no backup.",
		"notification-failing":       "Notifications are delivered.",
		"notifications-silent":       "Notifications are delivered.",
	}
}
