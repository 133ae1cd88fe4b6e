package page

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// templates are the pages by name, each with the layout and all parts. A page is
// parsed when it is first asked for: most consoles are opened seldom, and all
// pages together take some 10 MB.
type templates map[string]func() (*template.Template, error)

// add adds the pages of a section.
func (t templates) add(files fs.FS, funcs template.FuncMap) error {
	pages, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return err
	}
	parts, err := fs.Glob(files, "templates/parts/*.html")
	if err != nil {
		return err
	}
	for _, name := range pages {
		page := strings.TrimSuffix(path.Base(name), ".html")
		if t[page] != nil {
			return fmt.Errorf("two pages are named %s", page)
		}
		t[page] = sync.OnceValues(func() (*template.Template, error) {
			frame, err := template.New("").Funcs(funcs).ParseFS(frameFiles, "templates/layout.html", "templates/parts/*.html")
			if err != nil {
				return nil, err
			}
			return frame.ParseFS(files, slices.Concat(parts, []string{name})...)
		})
	}
	return nil
}

// render writes one template of a page.
func (t templates) render(to *bytes.Buffer, page, part string, data view) error {
	parse, known := t[page]
	if !known {
		return fmt.Errorf("there is no page template %q", page)
	}
	whole, err := parse()
	if err != nil {
		return fmt.Errorf("read page %s: %w", page, err)
	}
	if err := whole.ExecuteTemplate(to, part, data); err != nil {
		return fmt.Errorf("render page %s: %w", page, err)
	}
	return nil
}
