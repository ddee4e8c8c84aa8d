package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"liaison/server/client"
	"liaison/server/interop"
)

// interopChecking is one run of check --interop.
type interopChecking struct {
	w          *world
	as         []string
	collection string
	rows       []string
}

func (k *interopChecking) run(ctx context.Context) error {
	o := interop.Options{Collection: k.collection, Rows: k.rows, Proxy: partnerOptions().Proxy}
	for _, dir := range k.as {
		a, err := client.OpenAccount(dir)
		if err != nil {
			return err
		}
		conf, err := a.TLS(dir)
		if err != nil {
			return err
		}
		o.Partners = append(o.Partners, interop.Partner{Name: filepath.Base(filepath.Clean(dir)), Account: a, TLS: conf})
	}
	report, err := interop.Run(ctx, o)
	if err != nil {
		return err
	}
	if !report.OK() {
		err = &silent{errors.New("a mandatory row failed")}
	}
	return errors.Join(err, k.print(report))
}

func (k *interopChecking) print(r interop.Report) error {
	if k.w.json {
		return k.w.print(struct {
			OK bool `json:"ok"`
			interop.Report
		}{r.OK(), r}, "")
	}
	for _, row := range r.Rows {
		name := row.Name
		if !row.Mandatory {
			name += " (optional)"
		}
		fmt.Fprintf(k.w.stdout, "%-12s  %-9s  %-40s", row.Result, row.ID, name)
		if row.Result == interop.Failed {
			fmt.Fprintf(k.w.stdout, "\n%36s%s\n%36s%s\n", "expected: ", row.Expected, "came: ", row.Got)
			continue
		}
		fmt.Fprintf(k.w.stdout, "  %s\n", row.Got)
	}
	for _, id := range r.Left {
		fmt.Fprintf(k.w.stdout, "left behind: %s, which the server did not delete\n", id)
	}
	fmt.Fprintf(k.w.stdout, "\nmandatory: %d passed, %d failed, %d not testable; optional: %d passed, %d failed, %d not offered\n",
		r.Count(true, interop.Passed), r.Count(true, interop.Failed), r.Count(true, interop.NotTestable),
		r.Count(false, interop.Passed), r.Count(false, interop.Failed), r.Count(false, interop.NotOffered))
	switch {
	case !r.OK():
		fmt.Fprintln(k.w.stdout, "docs/taxii.md says what each row is about; run it again when the server is mended")
	case r.Count(true, interop.NotTestable) > 0:
		fmt.Fprintln(k.w.stdout, "to try the others, give what they need: more partners with --as, a collection with --collection")
	}
	return nil
}
