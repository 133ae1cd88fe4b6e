package drystart

import (
	"cmp"
	"maps"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"baton/internal/pair"
	"baton/internal/pinned"
)

// Bounds of what is looked at for owners.
const (
	mostEntries = 1000 // of one directory
	mostOwners  = 32
)

// owners are those of the protected directories, and of what lies directly in them.
func owners(paths []string) []pair.Owner {
	found := map[pair.Owner]bool{}
	for _, path := range paths {
		top, err := pinned.Open(path, nil) // whoever owns it may exchange it at any time
		if err != nil {
			continue
		}
		note(found)(top.Stat("."))
		for _, name := range names(top) {
			note(found)(top.Stat(name))
		}
		_ = top.Close()
	}
	all := slices.SortedFunc(maps.Keys(found), func(a, b pair.Owner) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Kind(), b.Kind())) })
	for i := range all {
		all[i] = named(all[i])
	}
	return all
}

// names are those of what lies directly in a directory.
func names(top *pinned.Dir) []string {
	dir, err := top.Open(".")
	if err != nil {
		return nil
	}
	defer dir.Close() //nolint:errcheck // it was read only
	names, _ := dir.Readdirnames(mostEntries)
	return names
}

// note adds the owners of one file. Root is the same everywhere.
func note(found map[pair.Owner]bool) func(unix.Stat_t, error) {
	return func(file unix.Stat_t, err error) {
		for _, one := range []pair.Owner{{ID: file.Uid}, {ID: file.Gid, Group: true}} {
			if err == nil && one.ID != 0 && len(found) < mostOwners {
				found[one] = true
			}
		}
	}
}

// named looks up who has the number here.
func named(o pair.Owner) pair.Owner {
	number := strconv.FormatUint(uint64(o.ID), 10)
	if o.Group {
		if group, err := user.LookupGroupId(number); err == nil {
			o.Name = group.Name
		}
		return o
	}
	if one, err := user.LookupId(number); err == nil {
		o.Name = one.Username
	}
	return o
}
