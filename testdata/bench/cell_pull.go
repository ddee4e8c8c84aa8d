package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// question is what a cell asks of a store, over and over.
type question struct {
	cell        string
	what        string // of nginx's directory too
	coding      string
	connections int
	seconds     int
	onTheFly    bool // is held against compressing on the fly too
	bar, flat   float64
}

func (b *bench) questions() []question {
	s := b.sizes.seconds
	all := []question{
		{cell: "pull-100", what: "page-100", coding: "identity", connections: 1, seconds: 1},
		{cell: "pull-100", what: "page-100", coding: "identity", connections: many, seconds: s, bar: 0.9, flat: 1.5},
		{cell: "pull-1000", what: "page-1000", coding: "identity", connections: 1, seconds: 1},
		{cell: "pull-1000", what: "page-1000", coding: "identity", connections: many, seconds: s, bar: 0.95, flat: 1.5},
		{cell: "pull-gzip-100", what: "page-100", coding: "gzip", connections: 1, seconds: 1, onTheFly: true},
		{cell: "pull-gzip-100", what: "page-100", coding: "gzip", connections: many, seconds: 1, onTheFly: true},
		{cell: "pull-gzip-1000", what: "page-1000", coding: "gzip", connections: 1, seconds: 1, onTheFly: true},
		{cell: "pull-gzip-1000", what: "page-1000", coding: "gzip", connections: many, seconds: 1, onTheFly: true},
		{cell: "nothing-new", what: "nothing-new", coding: "identity", connections: 1, seconds: 1},
		{cell: "match-id", what: "match-id", coding: "identity", connections: 1, seconds: 1},
	}
	return slices.DeleteFunc(all, func(q question) bool { return !b.named(q.cell) })
}

const (
	peerNginx  = "nginx"
	peerOnFly  = "gzip on the fly"
	underMilli = 1000 // µs that the answer that there is nothing new may take
	sixth      = 6    // times less CPU than compressing on the fly
)

// pulls has all that is read, of all stores and their peers, round by round.
func (b *bench) pulls(ctx context.Context) (err error) {
	n, err := b.startNginx(ctx, b.stores[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	sides := map[string][]side{} // by question: the stores, then the peers
	for i, g := range b.stores {
		if err := b.serve(ctx, g, anyPort); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, g.stop()) }()
		if err := b.ask(ctx, g, n, i == 1, sides); err != nil {
			return err
		}
	}
	if err := b.sameCipher(b.stores[0].url, n.url); err != nil {
		return err
	}
	fly, err := b.startBaseline(ctx, n.www)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fly.stop()) }()
	for _, what := range []string{"page-1000", "page-100"} {
		var paths []string
		for k := range fly.pages[what] {
			paths = append(paths, fmt.Sprintf("/page/%s/%d", what, k))
		}
		file, err := b.writePaths("fly."+what, paths)
		if err != nil {
			return err
		}
		sides[what] = append(sides[what], side{peerOnFly, fly.url, []int{fly.pid()}, basic(fly.account), file})
	}
	return b.pullRounds(ctx, sides)
}

// ask finds out what to ask of a store. The answers of one of them become nginx's files.
func (b *bench) ask(ctx context.Context, g *gateway, n *nginx, shelve bool, sides map[string][]side) error {
	p, err := dial(ctx, g.url, g.reader, 1)
	if err != nil {
		return err
	}
	defer p.close()
	paths := map[string][]string{}
	for k := range 1000 {
		object, _ := target(k * 7919 % g.count)
		paths["match-id"] = append(paths["match-id"], objectsPath(g.home(object))+"?match[id]="+g.maker.id(object))
	}
	pages, ends, err := g.walk(p, 1000)
	if err != nil {
		return err
	}
	for i, end := range ends {
		paths["nothing-new"] = append(paths["nothing-new"], objectsPath(g.collections[i])+"?added_after="+url.QueryEscape(end))
	}
	for _, page := range spread(pages, spreadPages) {
		paths["page-1000"] = append(paths["page-1000"], page)
		paths["page-100"] = append(paths["page-100"], strings.Replace(page, "limit=1000", "limit=100", 1))
	}
	for what, list := range paths {
		file, err := b.writePaths(filepath.Base(g.dir)+"."+what, list)
		if err != nil {
			return err
		}
		sides[what] = append(sides[what], side{g.name, g.url, []int{g.pid()}, basic(g.reader), file})
		if !shelve {
			continue
		}
		shelved, err := b.shelf(ctx, n, p, what, spread(list, spreadPages))
		if err != nil {
			return err
		}
		if file, err = b.writePaths("nginx."+what, shelved); err != nil {
			return err
		}
		sides[what] = append(sides[what], side{peerNginx, n.url, n.workers, "none", file})
	}
	return nil
}

// pullRounds measures each question, all sides of it one after the other, each round beginning with another.
func (b *bench) pullRounds(ctx context.Context, sides map[string][]side) error {
	questions := b.questions()
	got := make([]map[string][]pull, len(questions))
	for i := range got {
		got[i] = map[string][]pull{}
	}
	for round := range b.rounds {
		for i, q := range questions {
			list := sides[q.what]
			for k := range list {
				s := list[(k+round)%len(list)]
				if !b.goesTo(q, s) {
					continue
				}
				p, err := b.wrk(ctx, s, q.connections, q.coding, q.seconds)
				if err != nil {
					return fmt.Errorf("%s of %s: %w", q.cell, s.name, err)
				}
				got[i][s.name] = append(got[i][s.name], p)
			}
		}
		b.say("pulls: round %d of %d", round+1, b.rounds)
	}
	for i, q := range questions {
		for _, s := range sides[q.what] {
			if s.name != peerNginx && s.name != peerOnFly && b.goesTo(q, s) {
				b.addPull(q, s.name, got[i])
			}
		}
	}
	return nil
}

// goesTo reports whether a side is asked a question. Pages of the store with many collections are pulled
// by many connections alone, to save time.
func (b *bench) goesTo(q question, s side) bool {
	if s.name == peerOnFly {
		return q.onTheFly
	}
	return q.connections == many || !strings.HasPrefix(q.what, "page-") || s.name != storeName(b.sizes.big, b.sizes.spread)
}

// addPull makes the rows of one question to one store.
func (b *bench) addPull(q question, store string, got map[string][]pull) {
	ours := got[store]
	what := fmt.Sprintf("%s, %s", store, plural(q.connections, "connection"))
	rows := []Row{
		compare(q.cell, what, "throughput", "responses/s", each(ours, pull.rate), peerNginx, each(got[peerNginx], pull.rate), oursByTheirs),
		compare(q.cell, what, "server CPU", "µs/response", each(ours, pull.cost), peerNginx, each(got[peerNginx], pull.cost), theirsByOurs),
	}
	if q.bar != 0 {
		for i := range rows {
			rows[i] = rows[i].held(q.bar, false, 0)
		}
	}
	if q.onTheFly {
		r := compare(q.cell, what, "server CPU", "µs/response", each(ours, pull.cost), peerOnFly, each(got[peerOnFly], pull.cost), theirsByOurs)
		if q.connections == many { // one connection is reported only
			r = r.held(sixth, false, 0)
		}
		rows = append(rows, r)
	}
	if q.flat != 0 && store == b.stores[1].name {
		r := compare(q.cell, what, "server CPU", "µs/response", each(ours, pull.cost), "that of "+b.stores[0].name,
			each(got[b.stores[0].name], pull.cost), oursByTheirs)
		if b.large {
			r = r.held(q.flat, true, 0)
		}
		rows = append(rows, r)
	}
	if q.connections == 1 {
		r := compare(q.cell, what, "latency, p50", "µs", each(ours, func(p pull) float64 { return p.P50 }), "", nil, "")
		if q.cell == "nothing-new" {
			r = r.held(underMilli, true, 0)
		}
		rows = append(rows, r)
	}
	for _, r := range rows {
		b.add(r)
	}
}

// each takes one figure of each round.
func each[T any](list []T, f func(T) float64) []float64 {
	out := make([]float64, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

// gunzip decodes an answer if it is coded: one member, and nothing after it.
func gunzip(a answer) ([]byte, error) {
	if a.header.Get("Content-Encoding") != "gzip" {
		return a.body, nil
	}
	in := bytes.NewReader(a.body)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	b, err := io.ReadAll(z)
	if err == nil && in.Len() > 0 {
		err = fmt.Errorf("%d bytes follow the gzip member", in.Len())
	}
	return b, err
}

// sameCipher sees that two servers choose the same cipher, and keeps its name.
func (b *bench) sameCipher(urls ...string) error {
	for _, u := range urls {
		c, err := tls.Dial("tcp", strings.TrimPrefix(u, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		s := c.ConnectionState()
		c.Close()
		name := tls.VersionName(s.Version) + ", " + tls.CipherSuiteName(s.CipherSuite)
		if have := b.results.Machine.Cipher; have != "" && have != name {
			return fmt.Errorf("the gateway and nginx choose different ciphers: %s, %s", have, name)
		}
		b.results.Machine.Cipher = name
	}
	return nil
}
