package drystart

import (
	"cmp"
	"fmt"
	"strings"

	"baton/internal/pair"
	"baton/internal/service"
)

// hindered tells of a service that nothing could start here.
func hindered(of service.Definition, why string) pair.Condition {
	return pair.Condition{
		ID: "dry-start-failed", Severity: pair.Warning,
		Text:     fmt.Sprintf("This backup could not run service %s: %s.", of.Name, why),
		NextStep: "Do that on this machine: until then a sick primary does not hand the site over to it.",
	}
}

// compare tells in what this machine differs from the peer's, as far as that has reported.
func (d *DryStart) compare(here *pair.Installed, peer string, report *pair.Report) (all []pair.Condition) {
	if report == nil || report.Installed == nil {
		return nil
	}
	for _, one := range here.Services {
		there, told := report.Installed.Service(one.Name)
		if told && one.Lacks == "" {
			all = append(all, differing(one, there, d.opt.Name, peer)...)
		}
	}
	return append(all, strangers(report.Installed.Owners, d.opt.Name, peer)...)
}

// differing tells in what a service is not the same on both machines.
func differing(here, there pair.InstalledService, own, peer string) []pair.Condition {
	var differs []string
	if there.Lacks != "" { // it may run there, and would not come back after a switch
		differs = append(differs, fmt.Sprintf("nothing could start it again on %s (%s)", peer, strings.TrimSuffix(there.Lacks, ".")))
		there = here
	}
	if here.UnitSum != there.UnitSum {
		differs = append(differs, "its unit file is another")
	}
	switch {
	case here.Program != there.Program && here.Program != "" && there.Program != "":
		differs = append(differs, fmt.Sprintf("it starts %s on %s, and %s on %s", here.Program, own, there.Program, peer))
	case here.ProgramSum != there.ProgramSum && here.ProgramSum != "" && there.ProgramSum != "":
		differs = append(differs, here.Program+" is another")
	}
	switch {
	case here.User != there.User:
		differs = append(differs, fmt.Sprintf("it runs as %s on %s, and as %s on %s", cmp.Or(here.User, "root"), own, cmp.Or(there.User, "root"), peer))
	case here.UserID != there.UserID:
		differs = append(differs, fmt.Sprintf("its user %s has number %s on %s, and %s on %s", here.User, here.UserID, own, there.UserID, peer))
	}
	if len(differs) == 0 {
		return nil
	}
	return []pair.Condition{{
		ID: "services-differ", Severity: pair.Warning,
		Text:     fmt.Sprintf("Service %s is not installed the same on %s and %s: %s.", here.Name, own, peer, strings.Join(differs, "; ")),
		NextStep: "Install the same version, with the same settings, on both: else it may run on one of them only.",
	}}
}

// strangers tells of owners of the primary's data whose number is somebody else's here.
func strangers(there []pair.Owner, own, peer string) []pair.Condition {
	var differ []string
	for _, theirs := range there {
		ours := named(pair.Owner{ID: theirs.ID, Group: theirs.Group})
		if ours.Name != theirs.Name {
			differ = append(differ, fmt.Sprintf("%s %d is %s on %s, and %s on %s", theirs.Kind(), theirs.ID, cmp.Or(theirs.Name, "nobody"), peer, cmp.Or(ours.Name, "nobody"), own))
		}
	}
	if len(differ) == 0 {
		return nil
	}
	return []pair.Condition{{
		ID: "owners-differ", Severity: pair.Warning,
		Text:     "The protected data is copied with the numbers of its owners, and they are not the same on both appliances: " + strings.Join(differ, "; ") + ".",
		NextStep: "Give users and groups the same numbers on both machines: usermod -u and groupmod -g, then chown what they own.",
	}}
}
