package app

import (
	"runtime/debug"
	"runtime/metrics"
)

// spareMemory is how much unused memory the daemon may keep, in bytes.
const spareMemory = 4 << 20

// tidyMemory gives unused memory back to the machine: stretching a key takes 64
// MiB for a moment, a data sync some more, and the runtime would keep it for
// minutes.
func tidyMemory() {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindUint64 && sample[0].Value.Uint64() > spareMemory {
		debug.FreeOSMemory()
	}
}
