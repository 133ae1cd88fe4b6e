package cgroup

import "testing"

func TestWhatIsLeft(t *testing.T) {
	t.Parallel()
	many := make([]int, 8000)
	for i := range many {
		many[i] = i + 1
	}
	for _, c := range []struct {
		left Left
		want string
	}{
		{Left{}, ""},
		{Left{Processes: []int{7, 8}}, "processes 7 8 are left and cannot be killed"},
		{Left{Ports: []string{"tcp 0.0.0.0:80", "udp *:53"}}, "tcp 0.0.0.0:80, udp *:53 is still open"},
		{Left{Processes: []int{7}, Ports: []string{"tcp *:80"}}, "processes 7 are left and cannot be killed, and tcp *:80 is still open"},
		{Left{Processes: many}, "processes 1 2 3 4 5 6 7 8 9 10 and 7990 more are left and cannot be killed"},
	} {
		if got := c.left.String(); got != c.want || c.left.Nothing() != (c.want == "") {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// What is no group is never one that is changed.
func TestNoGroup(t *testing.T) {
	t.Parallel()
	for _, g := range []Group{"", "/"} {
		g.Kill()
		g.Remove()
		if g.Dir() != "" || g.Make() == nil || len(g.Processes()) > 0 {
			t.Errorf("%q is a group", g)
		}
	}
}
