package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

const assetPrefix = Root + "/assets/"

// assets serves the embedded files under names that hold a hash of their
// content, so that browsers may keep them for ever.
type assets struct {
	urls  map[string]string // by name
	files map[string]asset  // by URL
}

type asset struct {
	name   string // of the embedded file
	kind   string // content type
	zipped func() ([]byte, error)
}

func newAssets() (*assets, error) {
	a := &assets{urls: map[string]string{}, files: map[string]asset{}}
	err := fs.WalkDir(frameFiles, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) == ".LICENSE" {
			return err
		}
		return a.add(name)
	})
	return a, err
}

func (a *assets) add(name string) error {
	text, err := frameFiles.ReadFile(name)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	ext := path.Ext(name)
	url := assetPrefix + strings.TrimSuffix(path.Base(name), ext) + "." + hex.EncodeToString(sum[:6]) + ext
	a.urls[strings.TrimPrefix(name, "assets/")] = url
	a.files[url] = asset{name: name, kind: mime.TypeByExtension(ext), zipped: sync.OnceValues(func() ([]byte, error) { return zip(name) })}
	return nil
}

// zip compresses an embedded file.
func zip(name string) ([]byte, error) {
	text, err := frameFiles.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(text)
	err = errors.Join(err, w.Close())
	return zipped.Bytes(), err
}

// url returns where a file is served; empty if there is none of that name.
func (a *assets) url(name string) string { return a.urls[name] }

// ServeHTTP implements http.Handler.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, known := a.files[r.URL.Path]
	if !known {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", file.kind)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		http.ServeFileFS(w, r, frameFiles, file.name)
		return
	}
	body, err := file.zipped()
	if err != nil {
		http.Error(w, "This file cannot be compressed.", http.StatusInternalServerError)
		return
	}
	header.Set("Content-Encoding", "gzip")
	_, _ = w.Write(body) // an error means that the client has gone
}
