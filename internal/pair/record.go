package pair

// Record is what an appliance must remember of its part in the pair, made
// durable before any effect of it. It is comparable, and written as JSON that a
// person can read.
type Record struct {
	Role    Role    `json:"role"`
	Epoch   Epoch   `json:"epoch"`   // highest epoch ever seen; ours while Holder is our own id
	Granted bool    `json:"granted"` // we handed Epoch to its holder and have not yet seen it in use
	Lineage Lineage `json:"lineage"` // what our data has been through
	// Snapshot is, on a backup, the newest complete snapshot; on a primary, the
	// newest that its backup is known to have completed.
	Snapshot Snapshot `json:"snapshot"`
	// Diverged is the epoch in which this appliance wrote data that the new
	// primary does not have; nothing is synced over it until it is set aside.
	Diverged Epoch `json:"diverged"`
	Conflict Epoch `json:"conflict"` // the peer's epoch that ours does not agree with; an administrator decides
	// Taken is set when another machine was seen to own the shared IP: only
	// contact with the peer, or an administrator, brings it back.
	Taken            bool  `json:"taken"`
	Maintenance      bool  `json:"maintenance"`       // automatic actions are off
	MaintenanceUntil int64 `json:"maintenance_until"` // Unix seconds at which maintenance ends; 0: when an administrator ends it
	Takeovers        uint8 `json:"takeovers"`         // automatic takeovers of the last hour, for damping
	Damped           bool  `json:"damped"`            // automatic failover paused until an administrator resumes it
	Sick             bool  `json:"sick,omitzero"`     // the site was sick here, and has not been well since, be it on the peer
	// Rival is set on a primary while its backup may take over by itself, as far as
	// that has told: a setting that excludes it counts once the backup knows it.
	Rival bool `json:"rival"`
}
