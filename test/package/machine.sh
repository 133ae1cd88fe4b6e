# The part of run.sh that is carried out on the machine. Each line of output is what was
# seen to hold; the first that does not hold ends it.
set -u
export DEBIAN_FRONTEND=noninteractive HOME=/root
cd /try

say() { echo "ok  $*"; }
fail() {
	echo "NOT OK  $*"
	echo "--- the last output of dpkg or rpm:"
	cat /try/out
	exit 1
}
# holds WHAT COMMAND...: the command succeeds. fails: it does not.
holds() {
	local what=$1
	shift
	if "$@" >/dev/null 2>&1; then say "$what"; else fail "$what ($*)"; fi
}
fails() {
	local what=$1
	shift
	if "$@" >/dev/null 2>&1; then fail "$what ($*)"; else say "$what"; fi
}
# ends WHAT: a moment later at the latest no process of Baton runs: the helper ends after the daemon.
ends() {
	for _ in $(seq 50); do
		if ! pidof baton >/dev/null; then
			say "$1"
			return
		fi
		sleep 0.1
	done
	fail "$1"
}
# told TEXT: dpkg or rpm said so just now.
told() { if grep -q -e "$1" /try/out; then say "says: $(grep -m 1 -e "$1" /try/out)"; else fail "says: $1"; fi; }
# Without a terminal to ask at: a question about a configuration file would end it.
package() { dpkg "$@" >/try/out 2>&1 </dev/null || fail "dpkg $*"; }
daemon() { systemctl show -P MainPID baton; }
link=/etc/systemd/system/multi-user.target.wants/baton.service

echo "== a first install"
package -i this.deb
holds "the configuration file is made, and is right" baton config check
fails "the daemon is not started" systemctl is-active baton
fails "and not enabled" systemctl is-enabled baton
told "Edit /etc/baton/baton.toml, then: systemctl enable --now baton"
holds "man baton" man -w baton
holds "man baton.toml" man -w baton.toml
holds "bash completes commands" bash -c '. /usr/share/bash-completion/bash_completion; . /usr/share/bash-completion/completions/baton
	COMP_WORDS=(baton sha); COMP_CWORD=1; COMP_LINE="baton sha"; COMP_POINT=9; __start_baton; [ "${COMPREPLY[0]}" = shared-ip ]'
systemctl enable -q --now baton
holds "started, it answers" baton status
holds "its helper runs" systemctl is-active baton-changes

echo "== removed and installed again"
echo '# edited' >>/etc/baton/baton.toml
package -r baton
ends "removal stops it, and its helper"
fails "whose unit is gone" systemctl cat baton-changes
fails "with its socket" test -e /run/baton-changes
package -i this.deb
holds "it is still enabled" systemctl is-enabled baton
holds "and runs again" systemctl is-active baton
holds "with its helper" systemctl is-active baton-changes
holds "with the file that was edited" grep -q '# edited' /etc/baton/baton.toml

echo "== stopped by hand, then upgraded to the same"
systemctl stop baton
package -i this.deb
fails "what was stopped stays so" systemctl is-active baton
told "It is enabled and does not run"

echo "== purged"
package -P baton
told "Kept: /var/lib/baton"
told "Kept: the directories that were protected"
fails "the configuration is gone" test -e /etc/baton
fails "and the link of the unit" test -L $link
holds "the site database is there" test -s /var/lib/baton/site.db
rm -rf /var/lib/baton

echo "== purged, with data in another place and a file of the administrator's"
package -i this.deb
sed -i 's#^data_dir.*#data_dir = "/srv/baton"#' /etc/baton/baton.toml
mkdir -p /srv/baton /var/lib/baton
touch /etc/baton/notes
package -P baton
told "Kept: /srv/baton"
told "Kept: /etc/baton, with files"
rm -rf /srv/baton /etc/baton /var/lib/baton

echo "== upgraded from the package before"
package -i previous.deb
sed -i 's/^# name = .*/name = "edited"/' /etc/baton/baton.toml
systemctl enable -q --now baton
before=$(daemon)
id=$(baton status --json | grep -m 1 '"id"')
mkdir -p /srv/site /etc/site
echo 'a password of hers' | baton setup --user ann >/try/out 2>&1 || fail "baton setup"
baton data add dir site /srv/site >/try/out 2>&1 || fail "baton data add"
baton data add dir more /etc/site >/try/out 2>&1 || fail "baton data add"
baton key generate --save >/try/out 2>&1 || fail "baton key generate"
key=$(baton key fingerprint)
package -i this.deb
told "The daemon that runs is the one from before"
holds "the file that was edited is as it was" grep -q '^name = "edited"' /etc/baton/baton.toml
holds "no copies of it lie about" test "$(ls /etc/baton)" = baton.toml
holds "it is still enabled" systemctl is-enabled baton
holds "the daemon is the same process" test "$(daemon)" = "$before"
needrestart -r a >/try/out 2>&1 </dev/null
told "baton.service"
holds "needrestart, told to restart everything, leaves it alone" test "$(daemon)" = "$before"
mv /etc/needrestart/conf.d/baton.conf /try/
needrestart -r a >/try/out 2>&1 </dev/null
fails "without the package's word it would restart it" test "$(daemon)" = "$before"
mv /try/baton.conf /etc/needrestart/conf.d/
systemctl restart baton
holds "restarted, it is the new version" grep -q 'v0.0.2' <(baton status)
before=$(daemon)
package -i this.deb
told "The daemon is of this version now. The site stayed up."
holds "from then on an upgrade reloads it, in the same process" test "$(daemon)" = "$before"
holds "and the same appliance" test "$(baton status --json | grep -m 1 '"id"')" = "$id"
holds "with its accounts" grep -q '^ann ' <(baton user list)
holds "its key" test "$(baton key fingerprint)" = "$key"
holds "and what it protected, also where a new installation would not" test "$(baton data list | grep -c -e /srv/site -e /etc/site)" = 2
package -P baton
rm -rf /var/lib/baton

echo "== installed by hand, then by package"
dpkg-deb -x previous.deb /try/files
install -m 755 /try/files/usr/bin/baton /usr/local/bin/baton
sed 's#/usr/bin/baton#/usr/local/bin/baton#' baton.service >/etc/systemd/system/baton.service
mkdir -p /etc/baton
printf 'name = "by-hand"\ndata_dir = "/var/lib/baton"\nlisten = [":443"]\n' >/etc/baton/baton.toml
systemctl daemon-reload
systemctl enable -q --now baton
before=$(daemon)
package -i this.deb
told "/etc/systemd/system/baton.service is in force, not the unit of this package. It runs /usr/local/bin/baton."
told "At a prompt, baton is /usr/local/bin/baton"
holds "the configuration is as it was" grep -q by-hand /etc/baton/baton.toml
holds "the daemon is the same process" test "$(daemon)" = "$before"
package -r baton
told "goes on: it does not run the program of this package"
holds "removing the package leaves the install by hand running" test "$(daemon)" = "$before"
package -i this.deb
package -P baton
told "Kept: /etc/systemd/system/baton.service and /etc/baton/baton.toml, an install by hand, with its data in /var/lib/baton"
holds "purging it, too" test "$(daemon)" = "$before"
holds "which stays enabled" systemctl is-enabled baton
holds "and keeps its configuration" grep -q by-hand /etc/baton/baton.toml
package -i this.deb
rm /etc/systemd/system/baton.service /usr/local/bin/baton
hash -r
systemctl daemon-reload
systemctl restart baton
holds "with the unit and the program of the install by hand gone, the package's run" grep -q '^/usr/bin/baton' <(readlink "/proc/$(daemon)/exe")
holds "still enabled" systemctl is-enabled baton
package -P baton
rm -rf /var/lib/baton /etc/baton

echo "== installed by hand over the package's own program"
install -m 755 /try/files/usr/bin/baton /usr/bin/baton
install -m 644 baton.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable -q --now baton
package -i this.deb
told "is in force, not the unit of this package. It runs /usr/bin/baton."
package -P baton
ends "purging stops what ran the package's program"
told "Kept: /etc/systemd/system/baton.service, made by hand. Its program is gone"
rm -rf /etc/systemd/system/baton.service /var/lib/baton
systemctl daemon-reload

echo "== the web server of examples/nginx, beside the default site of Debian"
install -m 644 nginx.conf /etc/nginx/conf.d/site.conf
mkdir -p /srv/www
echo "the site" >/srv/www/index.html
page() {
	exec 3<>"/dev/tcp/$1/80"
	printf 'GET / HTTP/1.0\r\n\r\n' >&3
	cat <&3
}
holds "nginx takes it" nginx -t
holds "and a running one takes it over" systemctl reload nginx
holds "it starts without the shared IP" systemctl restart nginx
ip address add 198.51.100.10/32 dev lo
holds "at the shared IP there is the site" grep -q "the site" <(page 198.51.100.10)
fails "at the machine's own address there is what was there before" grep -q "the site" <(page 127.0.0.1)
rm /etc/nginx/sites-enabled/default
ip address del 198.51.100.10/32 dev lo
holds "without the default site it starts, too" systemctl restart nginx

echo "== rpm: installed, upgraded, removed"
rpm -i --nodeps previous.rpm >/try/out 2>&1 || fail "rpm -i"
sed -i 's/^# name = .*/name = "edited"/' /etc/baton/baton.toml
systemctl enable -q --now baton
before=$(daemon)
rpm -U --nodeps this.rpm >/try/out 2>&1 || fail "rpm -U"
holds "the file that was edited is as it was" grep -q '^name = "edited"' /etc/baton/baton.toml
holds "the daemon is the same process" test "$(daemon)" = "$before"
rpm -e baton >/try/out 2>&1 || fail "rpm -e"
told "Kept: /var/lib/baton"
ends "removal stops it, and its helper"
holds "what was edited is kept" grep -q '^name = "edited"' /etc/baton/baton.toml.rpmsave
echo "all of it holds"
