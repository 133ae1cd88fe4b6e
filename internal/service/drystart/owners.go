package drystart

import (
	"cmp"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"

	"baton/internal/pair"
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
		note(found)(os.Lstat(path))
		dir, err := os.Open(path) //nolint:gosec // as the data sync does
		if err != nil {
			continue
		}
		entries, _ := dir.ReadDir(mostEntries)
		for _, entry := range entries {
			note(found)(entry.Info())
		}
		_ = dir.Close()
	}
	all := slices.SortedFunc(maps.Keys(found), func(a, b pair.Owner) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Kind(), b.Kind())) })
	for i := range all {
		all[i] = named(all[i])
	}
	return all
}

// note adds the owners of one file. Root is the same everywhere.
func note(found map[pair.Owner]bool) func(fs.FileInfo, error) {
	return func(info fs.FileInfo, err error) {
		if err != nil {
			return
		}
		stat, is := info.Sys().(*syscall.Stat_t)
		if !is {
			return
		}
		for _, one := range []pair.Owner{{ID: stat.Uid}, {ID: stat.Gid, Group: true}} {
			if one.ID != 0 && len(found) < mostOwners {
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
