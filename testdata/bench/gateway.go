package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"liaison/collections"
	"liaison/server/client"
)

const (
	operation = "bench"
	vendor    = "maker"
	agency    = "reader"
)

// gateway is a data directory, filled by publishing over TAXII into a gateway that serves it.
type gateway struct {
	name        string // "10,000 objects", …
	dir         string
	count       int      // of object versions that it was filled with
	collections []string // aliases
	publisher   client.Account
	reader      client.Account
	maker       maker // of what is published next
	turn        int   // of the collection that gets it
	step        int   // objects that a collection got at a time when it was filled
	*process          // while it serves
}

func basic(a client.Account) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.ClientID+":"+a.ClientSecret))
}

// countries gives n codes that name a collection each.
func countries(n int) ([]string, error) {
	var list []string
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z' && len(list) < n; b++ {
			code := string(a) + string(b)
			if _, err := collections.CountryName(code); err == nil {
				list = append(list, code)
			}
		}
	}
	if len(list) < n {
		return nil, fmt.Errorf("there are %d countries only, not %d", len(list), n)
	}
	return list, nil
}

// newGateway makes a data directory with a vendor and an agency, by the command line that operators type.
func (b *bench) newGateway(ctx context.Context, name string, collections int) (*gateway, error) {
	g := &gateway{name: name, dir: filepath.Join(b.dir, strings.NewReplacer(" ", "-", ",", "").Replace(name))}
	list, err := countries(collections)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		g.collections = append(g.collections, strings.ToLower(c))
	}
	g.maker.size = objectSize
	for _, args := range [][]string{
		{"init", "--listen", "127.0.0.1:0"},
		{"operation", "create", operation, "--title", "Bench", "--countries", strings.Join(list, ",")},
		{"partner", "create", vendor, "--role", "vendor", "--name", "Maker", "--operation", operation, "--countries", "all"},
		{"partner", "create", agency, "--role", "agency", "--name", "Reader", "--operation", operation, "--countries", "all"},
	} {
		if _, err := b.liaison(ctx, g, args...); err != nil {
			return nil, err
		}
	}
	// Joined where it is known by, its public URL.
	if err := b.serve(ctx, g, ""); err != nil {
		return nil, err
	}
	if g.publisher, err = b.join(ctx, g, vendor); err == nil {
		g.reader, err = b.join(ctx, g, agency)
	}
	if err != nil {
		return nil, err
	}
	return g, g.stop()
}

func (b *bench) liaison(ctx context.Context, g *gateway, args ...string) (string, error) {
	return run(ctx, b.binary, append([]string{"--data", g.dir}, args...)...)
}

func (b *bench) join(ctx context.Context, g *gateway, partner string) (client.Account, error) {
	url, err := b.liaison(ctx, g, "partner", "invite", partner)
	if err != nil {
		return client.Account{}, err
	}
	out := filepath.Join(b.dir, filepath.Base(g.dir)+"."+partner)
	if _, err := run(ctx, b.binary, "join", strings.TrimSpace(url), "--out", out); err != nil {
		return client.Account{}, err
	}
	return client.OpenAccount(out)
}

// anyPort is where a gateway listens when nobody needs its public URL.
const anyPort = "127.0.0.1:0"

// serve starts the gateway; listen is "" for where it is configured to.
func (b *bench) serve(ctx context.Context, g *gateway, listen string) (err error) {
	args := []string{"--data", g.dir, "serve", "--log-level", "warn", "--listen", listen}
	g.process, err = start(ctx, "liaison serve", accepts, b.binary, args...)
	return err
}

// again serves a fresh copy of a data directory that is not served.
func (b *bench) again(ctx context.Context, g *gateway) (*gateway, error) {
	c := *g
	c.dir = g.dir + ".copy"
	if err := copyTree(ctx, g.dir, c.dir); err != nil {
		return nil, err
	}
	return &c, b.serve(ctx, &c, anyPort)
}

// discard ends a copy and removes it.
func (g *gateway) discard() error {
	if err := g.stop(); err != nil {
		return err
	}
	return os.RemoveAll(g.dir)
}

// objectsPath is the objects endpoint of a collection.
func objectsPath(alias string) string {
	return "/" + operation + "/collections/" + alias + "/objects/"
}

// fill publishes count objects, in turn into all collections, in envelopes of 1,000 or so many that all
// collections get some.
func (b *bench) fill(ctx context.Context, g *gateway, count int) error {
	if err := b.serve(ctx, g, anyPort); err != nil {
		return err
	}
	const connections = 4
	size := max(min(1000, count/len(g.collections)), 1)
	g.step, g.count = size, count
	p, err := dial(ctx, g.url, g.publisher, connections)
	if err != nil {
		return err
	}
	defer p.close()
	for left := count; left > 0; {
		var list []publication
		for len(list) < 256 && left > 0 {
			n := min(left, size)
			list = append(list, g.next(n))
			left -= n
		}
		if _, err := p.publish(ctx, list); err != nil {
			return fmt.Errorf("filling %s: %w", g.name, err)
		}
	}
	return g.stop()
}

// next makes the next envelope of n objects, for the next collection.
func (g *gateway) next(n int) publication {
	alias := g.collections[g.turn%len(g.collections)]
	g.turn++
	return publication{path: objectsPath(alias), body: g.maker.envelopes(1, n)[0], count: n}
}

// home is the collection that the object at a position was put into when the store was filled.
func (g *gateway) home(position int) string {
	return g.collections[position/g.step%len(g.collections)]
}

// accepts reads the line that says where a server accepts; all do on the loopback.
func accepts(line string) (url string, ok bool) {
	url, ok = strings.CutPrefix(line, "serving ")
	return "https://127.0.0.1:" + url[strings.LastIndexByte(url, ':')+1:], ok
}
