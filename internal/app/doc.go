// Package app wires an appliance together, once: it reads what is stored, makes
// the edges, the agent and the faces, and runs them until they are told to stop.
// Adapters between the agent's interfaces and the edges live here; decisions do
// not.
//
// Start reading at Serve.
package app
