//go:build e2e

package systemd

import (
	"testing"
)

// What would keep the site from running on the backup is found out while the primary serves it.
func TestMachinesFindOutBeforehand(t *testing.T) {
	full(t)
	_, alpha, beta, _ := served(t)
	const fit = "The site's services (numbers, web, worker) are allowed on both appliances, with the same unit files, programs and users; no other program has their ports on the backup."
	beta.says("doctor", fit, "alpha gets through to beta", "Both appliances run version")
	alpha.says("doctor", fit, "alpha gets through to beta")

	beta.run("systemd-run", "-q", "--unit=other", "/usr/local/bin/numbered", "-name", "other", "-listen", "127.0.0.1:8081")
	beta.says("doctor", "This backup could not run service web: another program on this machine has its port tcp *:8081: see which with ss -lptun, and stop that.")
	alpha.says("doctor", "This backup could not run service web: another program", "But the site would not come up: a service of it could not be started on beta.")
	beta.run("systemctl", "stop", "other")
	beta.says("doctor", fit)

	beta.run("mv", "/usr/local/bin/numbered", "/usr/local/bin/away")
	beta.says("doctor", "could not run service numbers: /usr/local/bin/numbered is not on this machine: install it.", "could not run service worker: /usr/local/bin/numbered")
	beta.run("sh", "-c", "cp /usr/local/bin/away /usr/local/bin/numbered; echo >>/usr/local/bin/numbered")
	beta.says("doctor", "Service worker is not installed the same on beta and alpha: /usr/local/bin/numbered is another.")
	beta.run("mv", "/usr/local/bin/away", "/usr/local/bin/numbered")
	beta.says("doctor", fit)

	beta.run("sh", "-c", "mkdir -p /etc/systemd/system/web.service.d; echo '[Service]\nNice=5' >/etc/systemd/system/web.service.d/own.conf; systemctl daemon-reload")
	beta.says("doctor", "Service web is not installed the same on beta and alpha: its unit file is another.")
	beta.run("sh", "-c", "rm -r /etc/systemd/system/web.service.d; systemctl daemon-reload")
	beta.says("doctor", fit)

	alpha.run("sh", "-c", "useradd -u 1500 deploy; useradd -u 1501 postman; touch /srv/www/letters; chown deploy:postman /srv/www/letters")
	beta.run("sh", "-c", "useradd -u 1501 deploy; useradd -u 1500 postman")
	beta.says("doctor", "user 1500 is deploy on alpha, and postman on beta; group 1501 is postman on alpha, and deploy on beta.")
	beta.run("sh", "-c", "userdel deploy; userdel postman; useradd -u 1500 deploy; useradd -u 1501 postman")
	beta.says("doctor", fit, "The owners of the protected data have the same numbers on both appliances.")
}
