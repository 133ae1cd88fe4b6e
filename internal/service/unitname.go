package service

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// UnitName is the name of a systemd unit, as nginx.service or backup.timer (systemd.unit(5)).
type UnitName string

// machineUnits are patterns of units that are of the machine, and not of a site: without them
// nobody could mend it.
func machineUnits() []string {
	return []string{
		"baton*", "systemd-*", "initrd-*", "emergency", "rescue", "debug-shell", "plymouth*", "cloud-*", "snapd*",
		"dbus", "dbus-*", "polkit", "polkitd", "ssh", "sshd", "ssh@*", "sshd@*", "getty@*", "serial-getty@*", "console-getty", "autovt@*", "user@*", "user-runtime-dir@*",
		"NetworkManager*", "networking*", "ifup@*", "dhcpcd*", "dhclient*", "wpa_supplicant*", "nftables", "ufw", "firewalld", "iptables*", "ip6tables*", "ebtables*", "netfilter-persistent", "fail2ban",
		"cron", "crond", "cronie", "anacron*", "atd", "chrony", "chronyd", "chrony-*", "ntp", "ntpd", "ntpsec", "openntpd", "rsyslog", "syslog", "syslog-ng", "auditd", "apparmor",
		"udev", "kmod*", "procps", "lvm2-*", "dm-event", "mdmonitor*", "multipathd", "fstrim", "logrotate", "apt-daily*", "unattended-upgrades", "dnf-*", "dpkg-db-backup", "sssd*", "nscd", "nslcd",
	}
}

// ParseUnitName reads the name of a service or timer of a site. The error is one sentence for a
// person, without its full stop.
func ParseUnitName(text string) (UnitName, error) {
	const longest = 255
	strange := strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune(`:-_.\@`, r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	name, kind := text, ""
	if dot := strings.LastIndexByte(text, '.'); dot >= 0 {
		name, kind = text[:dot], text[dot:]
	}
	switch {
	case name == "" || len(text) > longest || strange || kind != ".service" && kind != ".timer":
		return "", fmt.Errorf("%.200q is no service and no timer of systemd: write its whole name, as nginx.service or mail.timer", text)
	case strings.HasSuffix(name, "@"):
		return "", fmt.Errorf("%s is a template: name one of its instances, as %sname%s", text, name, kind)
	}
	if slices.ContainsFunc(machineUnits(), func(pattern string) bool { of, _ := path.Match(pattern, name); return of }) {
		return "", fmt.Errorf("%s is of the machine, and not of a site: it has to run on both appliances", text)
	}
	return UnitName(text), nil
}
