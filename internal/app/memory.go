package app

import (
	"runtime/debug"
	"runtime/metrics"
)

// How much memory the daemon may keep, in bytes, before it is given back.
const (
	spareMemory = 4 << 20  // free
	spentMemory = 16 << 20 // in use, or no longer and not yet collected, above what was in use last time
)

// memory gives unused memory back to the machine: stretching a key takes 64 MiB
// for a moment, a data sync some more, and the runtime would keep it for minutes.
type memory struct {
	inUse uint64 // when it was last given back, in bytes
}

// tidy gives back what is worth it.
func (m *memory) tidy() {
	used, free := readMemory()
	if free <= spareMemory && used <= m.inUse+spentMemory {
		return
	}
	debug.FreeOSMemory()
	m.inUse, _ = readMemory()
}

// readMemory tells what the heap has in objects, dead ones included, and free.
func readMemory() (used, free uint64) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(samples)
	values := [2]uint64{}
	for i, sample := range samples {
		if sample.Value.Kind() == metrics.KindUint64 {
			values[i] = sample.Value.Uint64()
		}
	}
	return values[0], values[1]
}
