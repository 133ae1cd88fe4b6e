#!/bin/sh
# Looks for known advisories in what the program links. Where the database of
# advisories cannot be reached it says so and does not fail: that is no finding.
set -u
output=$(go tool -modfile=tools/go.mod govulncheck ./... 2>&1)
code=$?
case $code in
0) echo "$output" ;;
3) # an advisory in reach
	echo "$output"
	exit 1
	;;
*)
	case $output in
	*"fetching vulnerabilities"* | *"dial tcp"* | *"Proxy"* | *"no such host"*)
		echo "vuln: the database of advisories cannot be reached from here; nothing was checked"
		;;
	*)
		echo "$output"
		exit 1
		;;
	esac
	;;
esac
