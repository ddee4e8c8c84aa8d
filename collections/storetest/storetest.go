// Package storetest is the contract of collections.Store as tests: one contract, many stores, one
// suite. A store that passes Run is a store.
//
// It holds the cases, grouped by the clauses of the contract's comment, and the Model, a store in
// memory that is as plain as it can be, which the cases compare with. It tests no engine's files and
// no crash: an engine does that beside its own code.
package storetest

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"liaison/collections"
)

// Opener opens the one store of a test, creating it at first. After its Close it may be opened again
// and holds what it held. What goes wrong is a fatal failure of t.
type Opener func(t testing.TB) collections.Store

// Factory makes stores for the suite.
type Factory struct {
	// New gives the opener of a store that nobody has used yet, which reads its clock from now. It may
	// be called more than once in a test, and by tests that run in parallel.
	New func(t testing.TB, now func() time.Time) Opener

	// Restore gives the opener of a store that holds what a Backup wrote. A store without backups
	// leaves it nil, and its Backup returns an error.
	Restore func(t testing.TB, now func() time.Time, backup io.Reader) Opener
}

// Case is one test of the suite.
type Case struct {
	Name string // "clause/what_holds"
	Run  func(t testing.TB, f Factory)
}

// Run runs all cases as parallel subtests.
func Run(t *testing.T, f Factory) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.Run(t, f)
		})
	}
}

// Cases gives the cases in the order of the contract.
func Cases() []Case {
	return slices.Concat(
		clause("durability", durability()),
		clause("order", order()),
		clause("identity", identity()),
		clause("keeping", keeping()),
		clause("bringing", bringing()),
		clause("sight", sight()),
		clause("selection", selection()),
		clause("paging", paging()),
		clause("deletion", deletion()),
		clause("status", status()),
		clause("lookup", lookup()),
		clause("gleaning", gleaning()),
		clause("record", record()),
		clause("refusal", refusal()),
		clause("concurrent", concurrent()),
		clause("random", random()),
	)
}

// step is a case before its environment is made.
type step struct {
	name string
	run  func(e *env)
}

func clause(name string, steps []step) []Case {
	cases := make([]Case, len(steps))
	for i, s := range steps {
		cases[i] = Case{
			Name: name + "/" + strings.ReplaceAll(s.name, " ", "_"),
			Run:  func(t testing.TB, f Factory) { s.run(newEnv(t, f)) },
		}
	}
	return cases
}
