// Package service says what the site's services are: programs that run on the primary only. Package
// keeper has them run; packages unit and process run one, with systemd and without.
package service
