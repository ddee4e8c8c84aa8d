package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// report prints what a minister reads: who was given what, and whether that is what was due.
func (d *demo) report(w *world, r *demoResult) {
	if w.json {
		w.print(r, "")
		return
	}
	d.say("\nWho received what\n\n")
	d.say("  %-20s %-13s %10s %10s %10s %10s %8s %8s\n",
		"country", "police may", "suspicious", "of these", "objects", "objects", "missing", "not due")
	d.say("  %-20s %-13s %10s %10s %10s %10s %8s %8s\n",
		"", "see up to", "addresses", "for them", "due", "received", "", "")
	d.say("  %s\n", strings.Repeat("-", 96))
	var total demoReceipt
	for _, reader := range r.Readers {
		if reader.Country == "" {
			continue
		}
		d.say("  %-20s %-13s %10d %10d %10d %10d %8d %8d\n", reader.Country, clearanceText(reader.Clearance),
			reader.Stated, reader.Indicators, reader.Entitled, reader.Received, len(reader.Missing), len(reader.Excess))
		total.Stated += reader.Stated
		total.Indicators += reader.Indicators
		total.Entitled += reader.Entitled
		total.Received += reader.Received
		total.Missing = append(total.Missing, reader.Missing...)
		total.Excess = append(total.Excess, reader.Excess...)
	}
	d.say("  %s\n", strings.Repeat("-", 96))
	d.say("  %-20s %-13s %10d %10d %10d %10d %8d %8d\n", "all countries", "",
		total.Stated, total.Indicators, total.Entitled, total.Received, len(total.Missing), len(total.Excess))
	d.say("\n  (an address that concerns several countries counts for each; %d different ones were published)\n\n", r.Indicators)
	for _, reader := range r.Readers {
		if reader.Country == "" {
			d.say("  %-20s read back %d of its own %d objects, and %d of anybody else's\n",
				reader.Partner, reader.Received-len(reader.Excess), reader.Entitled, len(reader.Excess))
		}
	}
	d.say("  %d foreign collections were knocked at, %d opened\n\n", r.Doors, r.Opened)
	for _, reader := range r.Readers {
		d.difference(reader)
	}
	verdict := "Every police force received exactly what it was due, and nothing else."
	if !r.Right {
		verdict = "SOMEBODY RECEIVED ANYTHING BUT ITS DUE: see above."
	}
	d.say("%s (%.1f s in all)\n", verdict, time.Since(d.began).Seconds())
}

func clearanceText(l stix.Level) string {
	if l == stix.Red {
		return "red, if named"
	}
	return l.String()
}

// difference lists the first of what went wrong.
func (d *demo) difference(r demoReceipt) {
	const most = 5
	for _, id := range r.Missing[:min(most, len(r.Missing))] {
		d.say("  %s did not receive %s\n", r.Partner, id)
	}
	for _, raw := range r.Excess[:min(most, len(r.Excess))] {
		d.say("  %s received what it was not due: %.120s\n", r.Partner, raw)
	}
}

// invite prints lines to paste into other clients, as the police of one country would.
func (d *demo) invite(g *gateway) {
	const country = "vn"
	id := auth.PartnerID(country + "-police")
	account, _, err := d.plain(id)
	if err != nil {
		d.say("\nno lines to paste: %v\n", err)
		return
	}
	c, ok := g.registry.State().Find(demoOperation, country)
	if !ok {
		d.say("\nno lines to paste: the collection %s is gone\n", country)
		return
	}
	dir := d.partnerDir(id)
	d.say("\nServing %s until Ctrl-C. As the police of Viet Nam you may now try:\n", d.url)
	for _, s := range snippets(account, filepath.Join(dir, account.CA), string(c.ID), c.Title) {
		d.say("\n%s\n", s.Client)
		for line := range strings.Lines(s.Text) {
			d.say("    %s", line)
		}
	}
	d.say("\nand as the operator, in %s:\n\n    liaison --data %[1]s journal list --limit 20\n    liaison --data %[1]s partner list\n\n",
		filepath.Join(d.dir, "gateway"))
	if _, err := exec.LookPath("liaison"); err != nil {
		d.say("(there is no liaison in the PATH: \"go build\" makes ./liaison here)\n\n")
	}
}
