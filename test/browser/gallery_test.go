//go:build e2e

package browser

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed testdata/gallery.html.tmpl
var galleryPage string

// shownState is one state of a page, with its pictures.
type shownState struct {
	Name  string
	Wide  []string // light, dark
	Small []string
}

// writeIndex writes the page that shows all pictures of a gallery; an empty name
// means that there is none.
func writeIndex(dir string) error {
	if dir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*-light-1280.png"))
	if err != nil {
		return err
	}
	slices.Sort(files)
	var states []shownState
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), "-light-1280.png")
		state := shownState{Name: name}
		for _, scheme := range []string{"light", "dark"} {
			state.Wide = append(state.Wide, fmt.Sprintf("%s-%s-%d.png", name, scheme, wide))
			state.Small = append(state.Small, fmt.Sprintf("%s-%s-%d.png", name, scheme, narrow))
		}
		states = append(states, state)
	}
	var page bytes.Buffer
	parsed, err := template.New("gallery").Parse(galleryPage)
	if err != nil {
		return err
	}
	if err := parsed.Execute(&page, states); err != nil {
		return fmt.Errorf("write the gallery: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "index.html"), page.Bytes(), 0o644)
}
