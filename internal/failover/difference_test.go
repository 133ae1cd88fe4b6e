package failover_test

import (
	"fmt"
	"strings"
)

// difference shows the first line at which two texts part, with what led there.
func difference(want, got string) string {
	wanted, gotten := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wanted), len(gotten)) {
		if line(wanted, i) != line(gotten, i) {
			before := strings.Join(wanted[max(0, i-6):i], "\n")
			return fmt.Sprintf("%s\n- %s\n+ %s", before, line(wanted, i), line(gotten, i))
		}
	}
	return "no difference"
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}
