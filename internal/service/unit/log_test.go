package unit

import (
	"strings"
	"testing"
	"time"
)

// TestReadLog: what a service writes reaches a terminal and a browser without what could steer them.
func TestReadLog(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		`"plain"`: "plain",
		`"\u001b[31mred\u001b[0m and \u001b[2Jclear"`: "red and clear",
		`"\u001b]0;title\u0007left"`:                  "left",
		`"\u001b]8;;http://x/\u001b\\link"`:           "link",
		`"a\u0008b\u007fc\u009bd\u202ee\tf"`:          "a b c d e f",
		`[104,105,255,27,91,109]`:                     "hi?",
		`null`:                                        "",
		`["one","two"]`:                               "(a message that cannot be shown)",
		`"` + strings.Repeat("x", 9000) + `"`:         strings.Repeat("x", 4096),
	} {
		log := readLog([]byte(`":"cut"}` + "\n" + `{"__REALTIME_TIMESTAMP":"1700000000000000","MESSAGE":` + message + "}\n"))
		if len(log) != 1 || log[0].Text != want || !log[0].Time.Equal(time.Unix(1700000000, 0)) {
			t.Errorf("%.60s: %.200q", message, log)
		}
	}
	if log := readLog(nil); log == nil || len(log) != 0 {
		t.Errorf("nothing is read as %v", log)
	}
}
