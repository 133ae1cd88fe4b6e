package sourcetest

import (
	"testing"

	"baton/internal/datasync/source"
	"baton/internal/pair"
)

type machine struct{ memory *Memory }

func data() pair.Data { return pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files"}} }

func (m machine) Start(*testing.T) (source.Kind, pair.Data) { return m.memory, data() }
func (m machine) Put(_ *testing.T, files map[string]string) { m.memory.Put(data(), files) }
func (m machine) Files(*testing.T) map[string]string        { return m.memory.Files(data()) }

func TestMemoryIsASource(t *testing.T) {
	Run(t, func(*testing.T) Side { return machine{NewMemory()} })
}
