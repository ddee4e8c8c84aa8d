package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"liaison/collections"
	"liaison/collections/guard"
	"liaison/stix"
)

// Where an operator's lists are, and the list that the configuration's domains make.
const (
	guardsName = "guards"      // DIR/guards/*.json, MISP warning lists
	ownDomains = "own-domains" // of guard_domains in config.json
	maxGuards  = 1000          // files of lists
)

// deskGuard is the guard as the Desk asks it.
type deskGuard struct{ *guard.Guard }

func (g deskGuard) Check(o *stix.Object) []collections.Hit { return deskHits(g.Guard.Check(o)) }

func deskHits(list []guard.Hit) (hits []collections.Hit) {
	for _, h := range list {
		hits = append(hits, collections.Hit{List: h.List, Block: h.Action == guard.Block, Hold: h.Action == guard.Hold, Text: h.Text()})
	}
	return hits
}

func (g deskGuard) Lists() []collections.GuardList {
	var out []collections.GuardList
	for _, l := range g.Guard.Lists() {
		out = append(out, collections.GuardList{
			Name: l.Name, Version: l.Version, Action: l.Action.String(), Entries: l.Len(), Description: l.Description,
		})
	}
	return out
}

func (g deskGuard) Value(text string) []collections.Hit {
	return deskHits(g.Guard.Value(valueKind(text), text))
}

// valueKind guesses what a value is that a person typed.
func valueKind(text string) stix.ValueKind {
	hexadecimal := strings.Trim(strings.ToLower(text), "0123456789abcdef") == ""
	address, _, _ := strings.Cut(text, "/") // of a block
	if a, err := netip.ParseAddr(address); err == nil {
		if a.Is4() {
			return stix.IPv4Value
		}
		return stix.IPv6Value
	}
	switch n := len(text); {
	case hexadecimal && n == 32:
		return stix.MD5Value
	case hexadecimal && n == 40:
		return stix.SHA1Value
	case hexadecimal && n == 64:
		return stix.SHA256Value
	case hexadecimal && n == 128:
		return stix.SHA512Value
	case strings.Contains(text, "@"):
		return stix.EmailValue
	}
	if u, err := url.Parse(text); err == nil && u.Scheme != "" && u.Host != "" {
		return stix.URLValue
	}
	return stix.DomainValue
}

// readGuards makes the guard of the built-in lists, those in DIR/guards and the configuration. An error
// names the file, the field and the rule.
func readGuards(dir string, c config) (*guard.Guard, error) {
	lists := guard.Builtin()
	entries, err := os.ReadDir(filepath.Join(dir, guardsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	files := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") || e.IsDir() {
			continue
		}
		if files++; files > maxGuards {
			return nil, fmt.Errorf("%s has more than %d lists", filepath.Join(dir, guardsName), maxGuards)
		}
		l, err := readGuard(filepath.Join(dir, guardsName, e.Name()))
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	if len(c.GuardDomains) > 0 {
		l, err := guard.Domains(ownDomains, "config.json", c.GuardDomains)
		if err != nil {
			return nil, fmt.Errorf("guard_domains: %w", err)
		}
		lists = append(lists, l)
	}
	actions := map[string]guard.Action{}
	for name, text := range c.Guards {
		if actions[name], err = guard.ParseAction(text); err != nil {
			return nil, fmt.Errorf("guards: %s: %w", name, err)
		}
	}
	if err := guard.Choose(lists, actions); err != nil {
		return nil, fmt.Errorf("guards: %w", err)
	}
	return guard.New(lists...)
}

func readGuard(name string) (*guard.List, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if fi.Size() > guard.MaxListFile {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, fi.Size(), guard.MaxListFile)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return guard.Warninglist(name, data)
}

// openGuards reads the guard at the start. A gateway whose lists cannot be read does not serve, for
// nobody would know what they let through; the operator's verbs go on with the built-in ones.
func (g *gateway) openGuards() {
	now, err := readGuards(g.dir, g.config)
	if err != nil {
		g.unguarded = fmt.Errorf("reading the guard's lists: %w", err)
		now, err = guard.New(guard.Builtin()...)
		if err != nil {
			panic(err) // the built-in lists are constant
		}
	}
	g.guard.Store(&deskGuard{now})
	g.desk.Guard = func() collections.Guard { return *g.guard.Load() }
}

// reloadGuards reads the lists, and what the configuration says of them, again; after an error the old
// ones stay.
func (g *gateway) reloadGuards() error {
	c, err := readConfig(g.dir)
	if err != nil {
		return err
	}
	now, err := readGuards(g.dir, c)
	if err != nil {
		return err
	}
	g.guard.Store(&deskGuard{now})
	names := make([]string, 0, len(now.Lists()))
	for _, l := range now.Lists() {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	g.log.Info("guard lists read again", "lists", names)
	return nil
}
