// Package cgroup tells what runs in a control group of the unified hierarchy (cgroups(7), version 2),
// on which ports that can be reached, and what is left of it after it was to end.
package cgroup
