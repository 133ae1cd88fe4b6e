package admin

import (
	"reflect"
	"testing"

	"baton/internal/api"
	"baton/internal/pair"
)

func TestThePublicSiteIsOfferedUntilItIsProtected(t *testing.T) {
	t.Parallel()
	data := &Data{Allowing: &Allowing{}}
	if data.Offer(nil) != nil {
		t.Error("something is offered, and no public site is served")
	}
	data.Site = "/srv/www/"
	for _, row := range []struct {
		protected []pair.Data
		want      *api.DataSpec
	}{
		{nil, &api.DataSpec{Name: "site", Kind: "dir", Path: "/srv/www"}},
		{[]pair.Data{{Name: "site", Spec: pair.Directory{Path: "/srv/www2"}}}, &api.DataSpec{Name: "public-site", Kind: "dir", Path: "/srv/www"}},
		{[]pair.Data{{Name: "srv", Spec: pair.Directory{Path: "/srv"}}}, nil},
		{[]pair.Data{{Name: "www", Spec: pair.Directory{Path: "/srv/www"}}}, nil},
	} {
		got := data.Offer(row.protected)
		if (got == nil) != (row.want == nil) || !reflect.DeepEqual(got, row.want) {
			t.Errorf("with %v: %+v, want %+v", row.protected, got, row.want)
		}
	}
}
