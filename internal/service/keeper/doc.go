// Package keeper has the site's services do their duty: all run on the primary, none on the
// backup, and again whenever that changes by itself. It knows how they are, and tells.
//
// It decides nothing: which duty is wanted is for the decision to say, see [Keeper.Set]. How one
// service is started and stopped is for its [Runner] to know. Start reading at [Keeper].
package keeper
