package archtest

// rule says what one package may import of this module, by path in the tree.
// Besides, a package may import its own leaves (those below it), and its tests
// the packages made for tests (whose name ends in "test", internal/lab, internal/lab/powercut and internal/lab/siteclient).
type rule struct {
	imports  []string
	anything bool // wires the others together
	pure     bool // no clock, no I/O, no goroutine: only the standard packages in pureStd
}

// table knows every package of the tree; one that it does not know fails.
func table() map[string]rule {
	pair := []string{"internal/pair"}
	edge := rule{imports: append(pair, "internal/cause")}                                                              // one technology, a stranger to the other edges
	keeper := rule{imports: append(edge.imports, "internal/durable", "internal/pinned")}                               // an edge that keeps files of its own
	lab := []string{"internal/api", "internal/lab", "internal/lab/daemon", "internal/lab/siteclient", "internal/pair"} // drives whole daemons
	return map[string]rule{
		"cmd/baton": {imports: []string{"internal/app", "internal/cli"}},

		// words
		"internal/pair":           {pure: true},
		"internal/pair/allowance": {imports: pair, pure: true},
		"internal/pair/cleared":   {pure: true},
		"internal/pair/exclude":   {pure: true},
		"internal/pair/unasked":   {pure: true},
		"internal/health":         {imports: pair, pure: true},
		"internal/kept":           {imports: pair, pure: true},

		// decision
		"internal/failover":              {imports: pair, pure: true},
		"internal/failover/failovertest": {imports: []string{"internal/failover", "internal/pair"}},

		// judgement of what was recorded
		"internal/report": {imports: pair, pure: true},

		// loop
		"internal/agent": {imports: []string{"internal/cause", "internal/failover", "internal/pair", "internal/pair/cleared"}},

		// what several edges need alike
		"internal/durable":          {},
		"internal/tick":             {},
		"internal/traces":           {},
		"internal/pinned":           {},
		"internal/cause":            {},
		"internal/cause/causetest":  {},
		"internal/cgroup":           {},
		"internal/cgroup/listening": {},

		// edges
		"internal/sharedip":                           {imports: append(edge.imports, "internal/tick")},
		"internal/lease":                              {imports: append(edge.imports, "internal/tick")},
		"internal/peer":                               {imports: append(keeper.imports, "internal/tick")},
		"internal/peer/channel":                       {imports: pair},
		"internal/peer/cpace":                         {},
		"internal/peer/queue":                         {},
		"internal/peer/stream":                        {imports: []string{"internal/peer", "internal/peer/wire"}},
		"internal/peer/wire":                          {imports: append(edge.imports, "internal/kept")},
		"internal/probe":                              {imports: append(edge.imports, "internal/health", "internal/pair/unasked")},
		"internal/systemd":                            {imports: append(edge.imports, "internal/cgroup", "internal/cgroup/listening")},
		"internal/service":                            {imports: []string{"internal/health", "internal/pair"}},
		"internal/service/keeper":                     {imports: []string{"internal/health", "internal/pair", "internal/service", "internal/tick"}},
		"internal/service/drystart":                   {imports: []string{"internal/cause", "internal/pair", "internal/pinned", "internal/service", "internal/tick"}},
		"internal/service/program":                    {imports: []string{"internal/cause", "internal/pair", "internal/service"}},
		"internal/service/process":                    {imports: []string{"internal/cause", "internal/cgroup", "internal/cgroup/listening", "internal/pair", "internal/service", "internal/service/keeper", "internal/service/program"}},
		"internal/service/unit":                       {imports: []string{"internal/cause", "internal/pair", "internal/service", "internal/cgroup/listening", "internal/service/keeper", "internal/service/program", "internal/systemd"}},
		"internal/datasync":                           {imports: append(edge.imports, "internal/kept", "internal/durable", "internal/pair/exclude")}, // and no kind of data: see kinds_test.go
		"internal/datasync/archive":                   {imports: kindOfData()},
		"internal/datasync/point":                     {imports: kindOfData("internal/datasync/archive", "internal/datasync/ledger", "internal/datasync/protected", "internal/kept")},
		"internal/datasync/diverged":                  {imports: kindOfData("internal/kept", "internal/durable")},
		"internal/datasync/ledger":                    {imports: kindOfData("internal/durable")},
		"internal/datasync/offer":                     {imports: kindOfData("internal/datasync/ledger", "internal/datasync/pace", "internal/datasync/protected", "internal/datasync/refusal", "internal/datasync/wire")},
		"internal/datasync/protected":                 {imports: kindOfData("internal/datasync/ledger")},
		"internal/datasync/sides":                     {imports: kindOfData("internal/datasync/ledger", "internal/datasync/pace", "internal/datasync/protected", "internal/datasync/refusal", "internal/datasync/wire", "internal/kept")},
		"internal/datasync/refusal":                   {imports: append(edge.imports, "internal/datasync/source", "internal/datasync/wire")},
		"internal/datasync/follow":                    {imports: []string{"internal/kept", "internal/pair"}},
		"internal/datasync/follow/followtest":         {imports: []string{"internal/kept", "internal/datasync/follow", "internal/pair"}},
		"internal/datasync/manifest":                  {imports: append(edge.imports, "internal/kept")},
		"internal/datasync/pace":                      edge,
		"internal/datasync/progress":                  edge,
		"internal/datasync/wire":                      {imports: kindOfData()},
		"internal/datasync/schedule":                  edge,
		"internal/datasync/source":                    {imports: append(edge.imports, "internal/kept", "internal/datasync/manifest")},
		"internal/datasync/source/directory":          {imports: kindOfData("internal/cause", "internal/kept", "internal/pair/exclude", "internal/datasync/archive", "internal/pinned")},
		"internal/datasync/source/directory/blocks":   {imports: []string{"internal/datasync/manifest"}},
		"internal/datasync/source/directory/inode":    {imports: kindOfData("internal/datasync/source/directory/blocks", "internal/datasync/source/directory/xattr")},
		"internal/datasync/source/directory/dbserver": {imports: []string{"internal/datasync/manifest", "internal/datasync/source/directory/inode", "internal/pinned"}},
		"internal/datasync/source/directory/xattr":    {imports: []string{"internal/datasync/manifest"}},
		"internal/datasync/source/directory/disk":     {imports: kindOfData("internal/pinned")},
		"internal/datasync/source/directory/hint":     {imports: []string{"internal/pinned", "internal/datasync/source/directory/changes"}},
		"internal/datasync/source/directory/changes":  {imports: []string{"internal/cause"}},
		"internal/datasync/source/directory/obstacle": {imports: kindOfData("internal/datasync/source/directory/disk", "internal/datasync/source/directory/plan", "internal/pinned")},
		"internal/datasync/source/directory/tree":     {imports: kindOfData("internal/datasync/source/directory/blocks", "internal/datasync/source/directory/disk", "internal/datasync/source/directory/inode", "internal/datasync/source/directory/obstacle", "internal/datasync/source/directory/plan", "internal/datasync/source/directory/xattr", "internal/pair/exclude", "internal/pinned")},
		"internal/datasync/source/directory/scan":     {imports: kindOfData("internal/datasync/source/directory/changes", "internal/datasync/source/directory/dbserver", "internal/datasync/source/directory/hint", "internal/datasync/source/directory/inode", "internal/datasync/source/directory/tree", "internal/datasync/source/directory/xattr", "internal/pair/exclude")},
		"internal/datasync/source/directory/plan":     {imports: []string{"internal/datasync/manifest"}},
		"internal/datasync/source/sqlite":             {imports: kindOfData("internal/datasync/source/directory", "internal/datasync/source/directory/blocks", "internal/datasync/source/directory/disk", "internal/datasync/source/directory/inode", "internal/datasync/source/directory/tree", "internal/datasync/source/directory/xattr", "internal/kept", "internal/pinned")},
		"internal/datasync/source/sqlite/image":       {imports: []string{"internal/pinned"}},
		"internal/datasync/source/sqlite/rows":        {imports: []string{"internal/kept"}},
		"internal/datasync/source/site":               {imports: kindOfData("internal/kept", "internal/durable")},
		"internal/datasync/source/sourcetest":         {imports: kindOfData("internal/kept")},
		"internal/front":                              {imports: []string{"internal/front/plain"}},
		"internal/front/page":                         {imports: pair},
		"internal/front/plain":                        {},
		"internal/front/proxy":                        {imports: []string{"internal/front", "internal/front/page", "internal/pair"}},
		"internal/front/static":                       {imports: []string{"internal/front/page", "internal/pair", "internal/pinned"}},
		"internal/store":                              keeper,
		"internal/store/asof":                         {},
		"internal/store/place":                        {imports: append(pair, "internal/pinned")},
		"internal/store/credential":                   {imports: pair},
		"internal/store/schema":                       {imports: pair},
		"internal/store/local":                        {imports: append(pair, "internal/durable")},
		"internal/certificate":                        edge,
		"internal/notify":                             {imports: append(edge.imports, "internal/pair/cleared", "internal/pair/unasked")},

		// what is in force here
		"internal/inforce": {imports: []string{"internal/datasync/schedule", "internal/pair"}},

		// acts
		"internal/act":             {imports: []string{"internal/agent", "internal/api", "internal/cause", "internal/failover", "internal/pair", "internal/peer"}},
		"internal/act/acttest":     {imports: []string{"internal/act", "internal/agent", "internal/failover", "internal/pair", "internal/peer"}},
		"internal/support":         {imports: []string{"internal/act", "internal/api", "internal/cause", "internal/licences", "internal/pair", "internal/store"}},
		"internal/listen":          {imports: []string{"internal/api/pace", "internal/api", "internal/certificate", "internal/config", "internal/console/page", "internal/failover", "internal/front", "internal/front/proxy", "internal/front/static", "internal/pair", "internal/peer", "internal/peer/wire"}},
		"internal/watch":           {imports: []string{"internal/agent", "internal/cause", "internal/config", "internal/datasync/offer", "internal/datasync/source/directory", "internal/failover", "internal/health", "internal/inforce", "internal/lease", "internal/pair", "internal/pair/exclude", "internal/peer", "internal/peer/wire", "internal/probe", "internal/sharedip", "internal/tick"}},
		"internal/status":          {imports: []string{"internal/act", "internal/agent", "internal/api", "internal/cause", "internal/datasync", "internal/failover", "internal/inforce", "internal/lease", "internal/pair", "internal/peer", "internal/peer/wire", "internal/service/drystart", "internal/service/keeper", "internal/sharedip", "internal/store", "internal/store/local", "internal/watch"}},
		"internal/admin":           {imports: []string{"internal/act", "internal/agent", "internal/api", "internal/cause", "internal/certificate", "internal/config", "internal/datasync", "internal/datasync/ledger", "internal/datasync/source/directory", "internal/failover", "internal/inforce", "internal/notify", "internal/pair", "internal/pair/allowance", "internal/admin/disks", "internal/peer", "internal/peer/wire", "internal/pinned", "internal/report", "internal/service", "internal/sharedip", "internal/status", "internal/store", "internal/store/local", "internal/watch"}},
		"internal/admin/copies":    {imports: []string{"internal/act", "internal/api", "internal/datasync", "internal/datasync/archive", "internal/datasync/diverged", "internal/datasync/point", "internal/datasync/source/directory", "internal/kept", "internal/pair", "internal/peer", "internal/peer/stream", "internal/peer/wire", "internal/store"}},
		"internal/admin/admintest": {imports: []string{"internal/kept", "internal/admin/copies", "internal/admin/disks", "internal/act", "internal/act/acttest", "internal/admin", "internal/agent", "internal/api", "internal/cause", "internal/certificate", "internal/config", "internal/datasync", "internal/datasync/source", "internal/datasync/source/directory", "internal/failover", "internal/inforce", "internal/notify", "internal/pair", "internal/peer", "internal/peer/wire", "internal/report", "internal/service", "internal/sharedip", "internal/signin", "internal/status", "internal/store", "internal/store/local", "internal/support", "internal/watch"}},
		"internal/admin/disks":     {imports: []string{"internal/api", "internal/cause", "internal/datasync/source/sqlite", "internal/pair", "internal/peer/wire", "internal/pinned"}},
		"internal/exchange":        {imports: []string{"internal/act", "internal/agent", "internal/failover", "internal/inforce", "internal/pair", "internal/peer", "internal/peer/wire", "internal/status", "internal/store", "internal/tick"}},
		"internal/signin":          {imports: []string{"internal/act", "internal/api", "internal/guesses", "internal/inforce", "internal/pair", "internal/store", "internal/store/credential"}},

		// faces
		"internal/guesses":               {},
		"internal/api/pace":              {},
		"internal/api/trust":             edge,
		"internal/cli/prompt":            edge,
		"internal/cli/copies":            {imports: []string{"internal/cli/table", "internal/kept", "internal/pair"}},
		"internal/cli/table":             {},
		"internal/cli/unpack":            edge,
		"internal/api":                   {imports: []string{"internal/kept", "internal/cause", "internal/guesses", "internal/pair", "internal/service", "internal/report"}},
		"internal/console":               {imports: []string{"internal/api", "internal/pair"}}, // joins the packages below it
		"internal/console/page":          {imports: []string{"internal/api/pace", "internal/api", "internal/cause", "internal/pair"}},
		"internal/console/access":        section("internal/cause"),
		"internal/console/failover":      section("internal/kept"),
		"internal/console/site":          section("internal/kept", "internal/cause", "internal/service"),
		"internal/console/reports":       section("internal/report"),
		"internal/console/notifications": section(),
		"internal/console/software":      section(),
		"internal/console/consoletest":   {imports: []string{"internal/admin/admintest", "internal/console", "internal/console/page", "internal/pair"}},
		"internal/cli":                   {imports: []string{"internal/kept", "internal/api", "internal/cause", "internal/pair", "internal/report", "internal/service"}},

		// what must be told of others' work
		"internal/licences": {},

		// frame
		"internal/memory":         {},
		"internal/config":         {imports: append(edge.imports, "internal/pair/allowance")},
		"internal/app":            {anything: true},
		"internal/app/telling":    {imports: []string{"internal/admin", "internal/cause", "internal/config", "internal/datasync/source/directory/changes", "internal/pair", "internal/store/local"}},
		"internal/lab":            edge,
		"internal/lab/powercut":   {},
		"internal/lab/siteclient": {imports: []string{"internal/lab"}},
		"internal/lab/daemon":     {imports: []string{"internal/api", "internal/lab", "internal/pair"}},
		"internal/lab/demo":       {imports: []string{"internal/api", "internal/lab", "internal/lab/daemon", "internal/lab/siteclient", "internal/pair"}},
		"internal/archtest":       {},

		// proof
		"docs":         {imports: []string{"internal/cli", "internal/config", "internal/pair", "internal/pair/cleared"}},
		"test/e2e":     {imports: append(lab, "internal/kept")},
		"test/systemd": {imports: []string{"internal/lab", "internal/lab/siteclient"}},
		"test/browser": {imports: append(lab, "internal/admin/admintest", "internal/console/consoletest", "internal/console/page")},
		"test/faults":  {imports: lab},
		"bench":        {imports: append(lab, "bench/chart", "bench/tree")},
		"bench/chart":  {},
		"bench/tree":   {},

		// what a package has beside the program
		"packaging/pages": {imports: []string{"internal/cli", "internal/config", "internal/licences"}},
	}
}

// kindOfData lists what a kind of data may import, and what else it needs.
func kindOfData(more ...string) []string {
	return append([]string{"internal/pair", "internal/datasync/manifest", "internal/datasync/source"}, more...)
}

// section says what the pages of one subject of the console may import, and what else
// they need: no other subject.
func section(more ...string) rule {
	return rule{imports: append([]string{"internal/api", "internal/console/page", "internal/pair"}, more...)}
}

// appIsFor lists who may import internal/app, which may import everything: else
// every rule could be walked around through it.
func appIsFor() []string { return []string{"cmd/baton"} }

// pureStd lists the standard packages of pure code.
func pureStd() []string {
	return []string{"cmp", "errors", "fmt", "hash/fnv", "iter", "maps", "math", "math/bits", "net/netip", "path", "slices", "strconv", "strings", "time", "time/tzdata", "unicode", "unicode/utf8"}
}

// readsClock lists what pure code must not use of package time.
func readsClock() []string {
	return []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Sleep", "Tick", "Local"}
}

// vagueNames are names that say nothing about what a package does.
func vagueNames() []string {
	return []string{"util", "utils", "common", "helper", "helpers", "types", "models", "manager", "misc", "base", "shared"}
}

// The measures of a file, in lines that hold code.
const (
	maxFile = 500
	maxMain = 40
)
