// Package lab makes hosts out of network namespaces: each has its own kernel
// network stack, joined by a cable to one switch that has no way out. Faults
// are injected at the switch, so that a host sees what it would in a machine
// room: a pulled cable, silence, a partition, loss, a power cut. Observers note,
// from outside the hosts, who owns an address and who answers on it.
//
// It decides nothing about the pair and knows nothing of Baton: any program can
// be started on a host. It needs no program of the machine (no ip, nft or ping)
// and never touches the machine's own network. Everything it makes is held by
// the process, so that nothing of it outlives the process, even a killed one.
//
// Start reading at New, then Host.Start and Lab.CutCable; Enter lets it run
// without root.
package lab
