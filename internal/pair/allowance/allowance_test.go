package allowance

import (
	"strings"
	"testing"
)

func TestWhatMayBeProtected(t *testing.T) {
	byDefault := Allowance{Trees: DefaultTrees()}
	with := func(own ...string) Allowance { return Allowance{Trees: DefaultTrees(), Own: own} }
	for _, row := range []struct {
		allowance Allowance
		path      string
		may       bool
	}{
		{byDefault, "/srv", true},
		{byDefault, "/srv/site", true},
		{byDefault, "/srvother", false},
		{byDefault, "/var/www/html", true},
		{byDefault, "/var/lib/app", true},
		{byDefault, "/home/alice/site", true},
		{byDefault, "/mnt", true},
		{byDefault, "/", false},
		{byDefault, "/etc/cron.d", false},
		{byDefault, "/etc", false},
		{byDefault, "/root/.ssh", false},
		{byDefault, "/tmp/x", false},
		{byDefault, "/var", false},
		{byDefault, "/var/lib", false},
		{byDefault, "/var/lib/dpkg/info", false},
		{byDefault, "/var/spool/cron/crontabs", false},
		{byDefault, "/opt", false},
		{byDefault, "/opt/app", true},
		{byDefault, "/home", false},
		{byDefault, "/home/alice", false},
		{byDefault, "/home/alice/.ssh", false},
		{byDefault, "/home/alice/.config/systemd", false},
		{byDefault, "/home/alice/site/.git", true},
		{byDefault, "/srv/git/.ssh", false},
		{Allowance{Trees: []string{"/var/home"}}, "/var/home/alice", false},
		{Allowance{Trees: []string{"/var/home"}}, "/var/home/alice/site", true},
		{byDefault, "/var/lib/postgresql/.ssh/x", false},
		{with("/etc/cron.d"), "/etc/cron.d", true},
		{with("/etc/nginx"), "/etc/nginx/sites", true},
		{with("/etc/nginx"), "/etc/cron.d", false},
		{with("/var/lib"), "/var/lib", true},       // root said just that
		{with("/var/lib"), "/var/lib/dpkg", false}, // but not that
		{with("/home/alice"), "/home/alice", true},
		{with("/home/alice"), "/home/alice/.ssh", false},
		{with("/home/alice/.ssh"), "/home/alice/.ssh", true},
		{Allowance{Trees: []string{"/etc/nginx"}}, "/etc/nginx/sites", true},
		{Allowance{Trees: []string{"/"}}, "/etc/nginx", false},
		{Allowance{Trees: []string{"/"}}, "/app/data", true},
		{Allowance{}, "/srv/site", false},
	} {
		if why := row.allowance.Refuses(row.path); (why == "") != row.may {
			t.Errorf("%s with %v and %v: %q", row.path, row.allowance.Trees, row.allowance.Own, why)
		}
	}
	text := byDefault.Refusal("beta", "/srv/link", "/etc/cron.d")
	if !strings.Contains(text, "beta does not allow /srv/link (it leads to /etc/cron.d)") || !strings.HasSuffix(text, "baton data allow /etc/cron.d") {
		t.Errorf("got %q", text)
	}
	if text := byDefault.Refusal("beta", "/srv/site", "/srv/site"); text != "" {
		t.Errorf("got %q", text)
	}
}

// TestWhatIsGuardedMayLieElsewhere has links of root's lead from guarded places into
// trees that may be protected, as when containers or homes were moved to a larger disk.
func TestWhatIsGuardedMayLieElsewhere(t *testing.T) {
	led := map[string]string{"/var/lib/docker": "/data/docker", "/home": "/mnt/disk/homes"}
	for path, may := range map[string]bool{
		"/data/docker":                 false,
		"/data/docker/volumes":         false,
		"/data":                        false, // it holds that
		"/data/site":                   true,
		"/mnt/disk/homes":              false,
		"/mnt/disk/homes/alice":        false,
		"/mnt/disk/homes/alice/.ssh":   false,
		"/mnt/disk/homes/alice/.cache": false,
		"/mnt/disk/homes/alice/site":   true,
		"/mnt/disk":                    false,
		"/mnt/other":                   true,
		"/var/lib/docker":              false,
	} {
		if why := (Allowance{Trees: DefaultTrees(), Led: led}).Refuses(path); (why == "") != may {
			t.Errorf("%s: %q", path, why)
		}
	}
	if why := (Allowance{Trees: DefaultTrees(), Own: []string{"/data/docker"}, Led: led}).Refuses("/data/docker/volumes"); why != "" {
		t.Errorf("by root's word: %q", why)
	}
}
