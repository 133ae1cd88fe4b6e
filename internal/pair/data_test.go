package pair_test

import (
	"strings"
	"testing"

	"baton/internal/pair"
)

const (
	alpha = pair.ApplianceID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	beta  = pair.ApplianceID("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

func TestASpecIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for _, spec := range []pair.Spec{
		pair.Directory{Path: "/srv/www"},
		pair.Directory{Path: "/srv/a \"b\"\xff", Exclude: "*.tmp\n/cache/"},
		pair.Directory{Path: "/srv/www", Exclude: "\"quoted\" exclude="},
		pair.Directory{Path: "/srv/www", Exclude: "cache/", Away: beta, Elsewhere: "/data/\"www\""},
		pair.Directory{Path: "/srv/www", Away: beta, Elsewhere: "/data/www"},
		pair.SiteDatabase{},
	} {
		read, err := pair.ParseSpec(spec.Kind(), spec.Text())
		if err != nil || read != spec {
			t.Errorf("%#v is written %s and read %#v, %v", spec, spec.Text(), read, err)
		}
	}
	if text := (pair.Directory{Path: "/srv/www", Exclude: "cache/"}).Text(); text != `/srv/www//exclude="cache/"` {
		t.Errorf("written %s", text)
	} else if _, err := pair.ParsePath(text); err == nil {
		t.Errorf("an older version takes %s for a path", text)
	}
}

func TestASpecThatIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`srv`:                                   "absolute path",
		`srv//exclude="a"`:                      "absolute path",
		`//exclude="a"`:                         "absolute path",
		`/srv/www//`:                            "not a directory with its options",
		`/srv/www//exclude=`:                    "not a directory with its options",
		`/srv/www//exclude=x`:                   "not a directory with its options",
		`/srv/www//exclude="a`:                  "not a directory with its options",
		`/srv/www//exclude="a" `:                "not a directory with its options",
		`/srv/www//exclude="a"exclude="b"`:      "not a directory with its options",
		`/srv/www//exclude="b" exclude="a"`:     "not a directory with its options",
		`/srv/www//exclude="a" exclude="a"`:     "not a directory with its options",
		`/srv/www//exclude="\x61"`:              "not a directory with its options",
		`/srv/www//exclude="*"`:                 "leave nothing",
		`/srv/www//on-="/data/www"`:             "not a directory with its options",
		`/srv/www//frozen="yes"`:                "does not know: update",
		`/srv/www//exclude="a" at="/srv/other"`: "does not know: update",
	} {
		if spec, err := pair.ParseSpec(pair.DataDirectory, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %#v, %v, want %q", text, spec, err, want)
		}
	}
	spec := pair.Directory{Path: "/srv/www", Exclude: "/srv/www/cache/"}
	if err := spec.Check(); err == nil || !strings.Contains(err.Error(), "names a place on the machine") {
		t.Errorf("%v: %v", spec, err)
	}
}

func TestWhatIsTheSameData(t *testing.T) {
	t.Parallel()
	data := pair.Data{Name: "www", Spec: pair.Directory{Path: "/srv/www"}}
	for other, same := range map[pair.Data]bool{
		{Name: "www", Spec: pair.Directory{Path: "/srv/www", Exclude: "cache/"}}: true,
		{Name: "www", Spec: pair.Directory{Path: "/srv/web"}}:                    false,
		{Name: "web", Spec: pair.Directory{Path: "/srv/www"}}:                    false,
		{Name: "www", Spec: pair.SiteDatabase{}}:                                 false,
	} {
		if data.Same(other) != same {
			t.Errorf("%v: same is %v", other, !same)
		}
	}
}

func TestADirectoryLiesElsewhereOnOneAppliance(t *testing.T) {
	t.Parallel()
	dir := pair.Directory{Path: "/srv/www", Exclude: "cache/", Away: beta, Elsewhere: "/data/www"}
	if dir.At(alpha) != "/srv/www" || dir.At(beta) != "/data/www" || dir.Beyond(alpha) != "/data/www" || dir.Beyond(beta) != "/srv/www" {
		t.Errorf("%s, %s, %s, %s", dir.At(alpha), dir.At(beta), dir.Beyond(alpha), dir.Beyond(beta))
	}
	if here := dir.Here(beta); here != pair.Spec(pair.Directory{Path: "/data/www", Exclude: "cache/"}) {
		t.Errorf("%#v", here)
	}
	for other, overlaps := range map[pair.Directory]bool{
		{Path: "/srv/www/a"}: true,
		{Path: "/data"}:      true,
		{Path: "/srv/other"}: false,
		{Path: "/data/other", Away: alpha, Elsewhere: "/srv"}:      true,
		{Path: "/srv/other", Away: beta, Elsewhere: "/srv/www"}:    false,
		{Path: "/srv/other", Away: beta, Elsewhere: "/data/www/a"}: true,
	} {
		if dir.Overlaps(other) != overlaps || other.Overlaps(dir) != overlaps {
			t.Errorf("%+v: overlaps is %v", other, !overlaps)
		}
	}
	for _, wrong := range []pair.Directory{
		{Path: "/srv/www", Elsewhere: "/data/www"},
		{Path: "/srv/www", Away: "beta", Elsewhere: "/data/www"},
		{Path: "/srv/www", Away: beta, Elsewhere: "data"},
		{Path: "/srv/www", Away: beta, Elsewhere: "/etc"},
		{Path: "/srv/www", Away: beta, Elsewhere: "/data/www", Exclude: "/data/www/cache"},
	} {
		if wrong.Check() == nil {
			t.Errorf("%+v is accepted", wrong)
		}
	}
}
