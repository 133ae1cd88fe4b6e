// Package memory gives memory that the daemon needs no longer back to the machine.
package memory

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// How much memory the daemon may keep, in bytes, before it is given back.
const (
	spareMemory = 4 << 20  // free
	spentMemory = 16 << 20 // in use, or no longer and not yet collected, above what was in use last time
)

// Unused is memory that is given back: stretching a key takes 64 MiB for a moment, a data sync some
// more, and the runtime would keep it for minutes. The zero value is that of a process that starts.
type Unused struct {
	inUse  uint64 // when it was last given back, in bytes
	rounds int    // so far, at most startRounds
}

// startRounds is the round in which the start is over.
const startRounds = 10

// GiveBack gives back what is worth it, and in one of its first rounds what only the start needed. Call
// it every few seconds.
func (u *Unused) GiveBack() {
	if u.rounds < startRounds {
		u.rounds++
		if u.rounds == startRounds {
			u.free()
			unmapProgram()
		}
	}
	if used, free := readMemory(); free > spareMemory || used > u.inUse+spentMemory {
		u.free()
	}
}

func (u *Unused) free() {
	debug.FreeOSMemory()
	u.inUse, _ = readMemory()
}

// unmapProgram has the kernel map the pages of the program anew as they are used: half of them only
// the start needs. It reads none again that it still has in its cache.
func unmapProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	mappings, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range programMappings(string(mappings), program) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED) // without it, more stays mapped
	}
}

// mapping is where a part of a file lies in memory.
type mapping struct{ from, to uintptr }

// programMappings lists, of what /proc/PID/smaps says, where the program lies just as it is in its file:
// nothing can write there, and nothing has been written there, as a loader may do.
func programMappings(smaps, program string) (list []mapping) {
	var m mapping
	var candidate bool
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 6 && strings.Contains(fields[0], "-"):
			from, to, _ := strings.Cut(fields[0], "-")
			first, err := strconv.ParseUint(from, 16, 64)
			end, fault := strconv.ParseUint(to, 16, 64)
			m = mapping{uintptr(first), uintptr(end)}
			candidate = err == nil && fault == nil && !strings.Contains(fields[1], "w") && strings.Join(fields[5:], " ") == program
		case len(fields) >= 2 && fields[0] == "Anonymous:" && candidate && fields[1] == "0":
			list = append(list, m)
		}
	}
	return list
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
