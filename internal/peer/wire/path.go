package wire

// Paths of the pair's own messages.
const (
	PathPoll     = Prefix + "poll"
	PathHold     = Prefix + "hold"
	PathEndHold  = Prefix + "end-hold"
	PathCommit   = Prefix + "commit"
	PathRelease  = Prefix + "release"
	PathSite     = Prefix + "site"
	PathTake     = Prefix + "take"
	PathExchange = Prefix + "exchange"
	PathSettings = Prefix + "settings"
	PathReport   = Prefix + "report"
	PathRoom     = Prefix + "room"
	PathPing     = Prefix + "ping"
	PathSync     = Prefix + "sync"
	PathCancel   = Prefix + "cancel-sync"
	PathUnsynced = Prefix + "unsynced"

	PathRestore        = Prefix + "restore"
	PathEndMaintenance = Prefix + "end-maintenance"
)
