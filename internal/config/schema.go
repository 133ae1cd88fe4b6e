package config

import (
	"maps"
	"slices"
	"strings"
)

// schema lists every key with the way to write it.
func schema() map[string]string {
	return map[string]string{
		"name":                `name = "alpha"`,
		"data_dir":            `data_dir = "/var/lib/baton"`,
		"listen":              `listen = ["198.51.100.1:443"]`,
		"socket":              `socket = "/run/baton/baton.sock"`,
		"log_level":           `log_level = "info"`,
		"protect":             `protect = ["/srv", "/var/www"]`,
		"metrics_allow":       `metrics_allow = ["127.0.0.0/8", "::1/128"]`,
		"stop_handover":       `stop_handover = "20s"`,
		"shared_ip":           `[[shared_ip]], in two brackets, then address and interface`,
		"shared_ip.address":   `address = "198.51.100.10/24"`,
		"shared_ip.interface": `interface = "eth0"`,
		"site":                `[site], then root or upstream, and listen`,
		"site.root":           `root = "/srv/www"`,
		"site.upstream":       `upstream = "http://127.0.0.1:8080"`,
		"site.listen":         `listen = [":80"]`,
		"site.listen_tls":     `listen_tls = ["198.51.100.10:443"]`,
	}
}

// unknownKey suggests the nearest known key of the same table.
func unknownKey(key []string) string {
	table, name := strings.Join(key[:len(key)-1], "."), key[len(key)-1]
	var known []string
	for path := range maps.Keys(schema()) {
		dot := strings.LastIndex(path, ".")
		if path[:max(dot, 0)] == table {
			known = append(known, path[dot+1:])
		}
	}
	slices.Sort(known)
	if len(known) == 0 {
		return "unknown key: remove it"
	}
	nearest := slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
	if distance(name, nearest) <= max(2, len(nearest)/3) {
		return "unknown key: did you mean " + nearest + "?"
	}
	return "unknown key: use one of " + strings.Join(known, ", ")
}

// distance counts the letters to insert, delete or replace to turn a into b,
// letter case apart (Levenshtein).
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
