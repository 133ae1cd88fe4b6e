// Package watch has what is looked at regularly beside the loop: the room on the disk, the
// test IPs of a backup, the way to the peer, the site, the traffic lease, machines that
// have what they should not. Each part tells its conditions.
//
// It decides nothing; what bears on a decision is told to the agent.
//
// Start reading at Room, the smallest.
package watch
