package datasync

import (
	"cmp"
	"errors"

	"baton/internal/datasync/plan"
	"baton/internal/datasync/source/directory"
	"baton/internal/pair"
	"baton/internal/pinned"
)

// open opens the directory of some protected data on this appliance. What is there
// really, without links, must be what a sync may touch. Whether it may be protected
// here was asked before anything of it was recorded.
func (e *Engine) open(d pair.Data) (*directory.Tree, error) {
	return e.checked(d, directory.Open, e.checkReal)
}

// openAllowed is open for what may be protected on this machine.
func (e *Engine) openAllowed(d pair.Data) (*directory.Tree, error) {
	return e.checked(d, directory.Open, e.checkAllowed)
}

// create is openAllowed, but makes the directory if it is not there.
func (e *Engine) create(d pair.Data) (*directory.Tree, error) {
	return e.checked(d, directory.Create, e.checkAllowed)
}

// checked opens a directory if the check allows what is really there. Its refusal is a
// sentence of its own.
func (e *Engine) checked(d pair.Data, open func(string, func(string) error) (*directory.Tree, error), check func(pair.Data, string) error) (*directory.Tree, error) {
	place, refused := e.opt.Place(d), error(nil)
	tree, err := open(place, func(real string) error {
		refused = check(d, real)
		return refused
	})
	if refused != nil {
		return nil, refused
	}
	return tree, explain(err, place)
}

func (e *Engine) checkAllowed(d pair.Data, real string) error {
	if err := e.checkReal(d, real); err != nil {
		return err
	}
	if no := e.opt.Allowed(e.opt.Place(d), real); no != "" {
		return sentence(ErrNotAllowed, "%s.", no)
	}
	return nil
}

// checkReal refuses what is really at a place if a sync must not touch it.
func (e *Engine) checkReal(d pair.Data, real string) error {
	if real != e.opt.Place(d) { // links lead to it
		there := pair.Data{Name: d.Name, Spec: pair.Directory{Path: pair.Path(real)}}
		if err := plan.CheckData(there); err != nil {
			return sentence(ErrUnsafe, "%v.", err)
		}
	}
	for _, own := range []string{cmp.Or(e.opt.Keep, e.opt.Dir), e.opt.Dir} {
		at, err := pinned.Resolve(own)
		if err != nil {
			at = own
		}
		if pair.Overlap(own, real) || pair.Overlap(at, real) {
			return sentence(ErrUnsafe, "Protected directory %s and Baton's own directory %s overlap: protect another directory.", real, own)
		}
	}
	return nil
}

// apart refuses a directory that is really one of the others, or inside one, or around it.
func apart(others []directory.Top, top directory.Top) error {
	for _, other := range others {
		if other.Same(top) || pair.Overlap(other.Real, top.Real) {
			return sentence(ErrUnsafe, "Protected directories %s and %s are one directory, or one inside the other (%s, %s): protect the outer one only.",
				other.Path, top.Path, other.Real, top.Real)
		}
	}
	return nil
}

// mountPoint returns where the file system is mounted on which a place lies, or would
// lie if it were made; empty if that cannot be known.
func mountPoint(place string) string {
	dir, _, err := pinned.Nearest(place)
	if err != nil {
		return ""
	}
	defer func() { _ = dir.Close() }()
	return directory.MountPoint(dir.Fd())
}

// untrusted is the sentence for a link that is not followed.
func untrusted(err error) error {
	link, ok := errors.AsType[*pinned.LinkError](err)
	if !ok {
		return nil
	}
	return sentence(ErrUnsafe, "%v.", link)
}
