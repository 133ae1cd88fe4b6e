package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"baton/internal/pair"
	"baton/internal/store/place"
)

// Data are the definitions of protected data.
type Data struct {
	db     *database
	places place.Rules
}

// Add adds protected data. It refuses a path that overlaps other protected
// data or the daemon's own, and one that no machine protects.
func (d Data) Add(ctx context.Context, data pair.Data) error {
	if err := errors.Join(checkDataName(data.Name), d.places.Check(data.Spec)); err != nil {
		return err
	}
	return d.db.write(ctx, "add the protected data", func(tx *sql.Tx) error {
		known, err := readData(ctx, tx)
		if err != nil {
			return err
		}
		apart, err := place.Apart(append(known, data))
		if err != nil {
			return err
		}
		data = apart[len(known)]
		if err := errors.Join(nameTaken(known, data.Name), d.places.Taken(apart[:len(known)], data.Spec), tooMuch(len(apart))); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, `INSERT INTO data (name, kind, path) VALUES (?, ?, ?)`, data.Name, data.Spec.Kind(), data.Spec.Text()); err != nil {
			return err
		}
		return saveSpecs(ctx, tx, known, apart)
	})
}

// saveSpecs saves what has changed of data, of which the names are the same.
func saveSpecs(ctx context.Context, tx *sql.Tx, was, is []pair.Data) error {
	for i, data := range was {
		if is[i] != data {
			if _, err := tx.ExecContext(ctx, `UPDATE data SET path = ? WHERE name = ?`, is[i].Spec.Text(), data.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Set replaces what of protected data is excluded. What is protected by itself stays so.
func (d Data) Set(ctx context.Context, data pair.Data) error {
	if err := d.places.Check(data.Spec); err != nil {
		return err
	}
	return d.db.write(ctx, "change the protected data", func(tx *sql.Tx) error {
		known, err := readData(ctx, tx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(known, func(other pair.Data) bool { return other.Name == data.Name })
		if at < 0 {
			return noData(data.Name)
		}
		wanted := slices.Clone(known)
		wanted[at] = data
		if wanted, err = place.Apart(wanted); err != nil {
			return err
		}
		return saveSpecs(ctx, tx, known, wanted)
	})
}

// Check refuses what Add would refuse, every field at once, and adds nothing.
func (d Data) Check(ctx context.Context, data pair.Data) error {
	known, err := d.List(ctx)
	if err != nil {
		return err
	}
	return d.checkBeside(known, data)
}

// checkBeside returns every refused field of data beside what is known.
func (d Data) checkBeside(known []pair.Data, data pair.Data) error {
	all, err := place.Apart(append(slices.Clone(known), data))
	if err != nil {
		return err
	}
	data = all[len(known)]
	return errors.Join(
		cmp.Or(checkDataName(data.Name), nameTaken(known, data.Name)),
		cmp.Or(d.places.Check(data.Spec), d.places.Taken(all[:len(known)], data.Spec)),
	)
}

// maxData bounds the pieces of protected data; a manifest has no more.
const maxData = 256

func tooMuch(pieces int) error {
	if pieces > maxData {
		return pair.Refuse(pair.Refused, "there can be %d pieces of protected data: protect a directory that holds several", maxData)
	}
	return nil
}

func nameTaken(known []pair.Data, name string) error {
	for _, other := range known {
		if other.Name == name {
			return pair.Refuse(pair.Refused, "there is already protected data %q, in %s: choose another name", name, other.Spec).At("name")
		}
	}
	return nil
}

func checkDataName(name string) error {
	if !validName(name, "-") {
		return pair.RefuseField("name", "%q is not a name: use 1 to 63 lower-case letters, digits or dashes", name)
	}
	return nil
}

// CheckPlace refuses a path that overlaps the daemon's own, or that no machine protects.
func (d Data) CheckPlace(path string) error { return d.places.CheckHere(path) }

// Remove ends the protection of data; its files stay. A database is protected with the directory in which it lies from then on, if that is.
func (d Data) Remove(ctx context.Context, name string) error {
	return d.db.write(ctx, "remove the protected data", func(tx *sql.Tx) error {
		known, err := readData(ctx, tx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(known, func(other pair.Data) bool { return other.Name == name })
		if at < 0 {
			return noData(name)
		}
		wanted, err := place.Together(known, known[at].Spec)
		if err != nil {
			return err
		}
		if err := saveSpecs(ctx, tx, known, wanted); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM data WHERE name = ?`, name)
		return err
	})
}

func noData(name string) error {
	return pair.Refuse(pair.NotFound, "there is no protected data %q: list it with baton data list", name)
}

// Named returns the protected data of a name.
func (d Data) Named(ctx context.Context, name string) (pair.Data, error) {
	all, err := d.List(ctx)
	for _, data := range all {
		if data.Name == name {
			return data, err
		}
	}
	return pair.Data{}, cmp.Or(err, noData(name))
}

// Here is List, with where each lies on this appliance as its only place.
func (d Data) Here(ctx context.Context) ([]pair.Data, error) {
	all, err := d.List(ctx)
	all = slices.Clone(all)
	for i, data := range all {
		all[i].Spec = data.Spec.Here(d.places.Self)
	}
	return all, err
}

// List lists the protected data, by name.
func (d Data) List(ctx context.Context) ([]pair.Data, error) {
	data, err := d.db.data.Read(ctx, d.db.counter, func() ([]pair.Data, error) { return readData(ctx, d.db.reader) })
	return slices.Clone(data), d.db.explain("list the protected data", err)
}

func readData(ctx context.Context, from querier) ([]pair.Data, error) {
	return list(ctx, from, func(row scanner) (data pair.Data, err error) {
		var kind pair.DataKind
		var text string
		if err = row.Scan(&data.Name, &kind, &text); err == nil {
			data.Spec, err = pair.ParseSpec(kind, text)
		}
		return data, err
	}, `SELECT name, kind, path FROM data ORDER BY name`)
}

// checkAll checks what came from the peer by the same rules.
func (d Data) checkAll(all []pair.Data) error {
	if err := tooMuch(len(all)); err != nil {
		return err
	}
	for i, data := range all {
		if err := d.checkBeside(all[:i], data); err != nil {
			return err
		}
	}
	return nil
}
