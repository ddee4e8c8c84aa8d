package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/collections"
	"liaison/server"
	"liaison/server/taxii"
)

// TestClients lets the clients of the field pull, each with its habits, while the publishers of the
// field write in bulk with theirs. Each receives exactly what it is entitled to: nothing is missed,
// nothing is received that is another's or hidden, and nothing twice but by those whose habit it is.
func TestClients(t *testing.T) {
	g := open(t, func(o *server.Options) { o.Desk.Limits.Body = 64 << 10 })
	both := g.partner("both-countries", auth.Agency, auth.Rights{Read: true}, "vn", "lk")
	_, early := indicator("early")
	_, earlyToo := indicator("early too")
	g.publish(g.vendor, "vn", early)
	g.publish(g.vendor, "lk", earlyToo)
	w := &world{visible: map[string][]string{"vn": {early}, "lk": {earlyToo}}, own: map[string][]string{}}
	written := make(chan struct{})
	var writers, pullers sync.WaitGroup
	vendors := map[string]account{}
	for name, write := range publishers() {
		p := &publisher{g: g, world: w, account: g.partner(auth.PartnerID("vendor-"+strings.ToLower(name[len("Client_"):])), auth.Vendor, auth.Rights{Read: true, Write: true}, "vn", "lk")}
		p.name = string(p.account.partner)
		vendors[name] = p.account
		writers.Go(func() {
			if err := write(t.Context(), p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	got := map[string]*puller{}
	for name, h := range habits() {
		a := both
		if h.compatibility != nil {
			a = g.partner(auth.PartnerID("agency-"+strings.ToLower(name[len("Client_"):])), auth.Agency, auth.Rights{Read: true}, "vn", "lk")
			g.apply(collections.Access(auth.SetPartner{ID: a.partner, Compatibility: &h.compatibility}))
		}
		p := &puller{g: g, account: a, name: name, habit: h, seen: map[string]map[string]int{"vn": {}, "lk": {}}, kept: map[string]string{}}
		got[name] = p
		pullers.Go(func() { p.run(t, written) })
	}
	writers.Wait()
	close(written)
	pullers.Wait()
	for _, name := range slices.Sorted(maps.Keys(got)) {
		t.Run(name, func(t *testing.T) { got[name].judge(t, w) })
	}
	for _, name := range slices.Sorted(maps.Keys(vendors)) {
		t.Run(name, func(t *testing.T) {
			a := vendors[name]
			have := &puller{g: g, account: a, habit: habit{collections: []string{"vn", "lk"}}, seen: map[string]map[string]int{"vn": {}, "lk": {}}, kept: map[string]string{}}
			g.ok(takesNoNext(have))
			all := map[string]int{}
			for _, of := range have.seen {
				maps.Copy(all, of)
			}
			want := map[string]int{}
			for _, raw := range w.own[string(a.partner)] {
				want[raw] = 1
			}
			if diff := cmp.Diff(want, all); diff != "" || len(want) < 20 {
				t.Errorf("of %d objects that it published (-want +got):\n%.2000s", len(want), diff)
			}
		})
	}
}

// TestClientsOverRestarts lets the same clients pull, and restarts the gateway before the second of
// their pages: what they hold of it, cursors, positions, tokens, goes on.
func TestClientsOverRestarts(t *testing.T) {
	g := open(t)
	both := g.partner("both-countries", auth.Agency, auth.Rights{Read: true}, "vn", "lk")
	elastic := g.partner("elastic-police", auth.Agency, auth.Rights{Read: true}, "vn", "lk")
	g.apply(collections.Access(auth.SetPartner{ID: elastic.partner, Compatibility: &[]auth.Compatibility{auth.EmptyObjects}}))
	w := &world{visible: map[string][]string{"vn": g.many(g.vendor, "vn", 150), "lk": g.many(g.vendor, "lk", 110)}}
	done := make(chan struct{})
	close(done)
	all := habits()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			p := &puller{g: g, account: both, name: name, habit: all[name], seen: map[string]map[string]int{"vn": {}, "lk": {}}, kept: map[string]string{}}
			if p.compatibility != nil {
				p.account = elastic
			}
			pages := 0
			p.before = func() {
				if pages++; pages == 2 {
					g.restart()
				}
			}
			p.run(t, done)
			p.judge(t, w)
			if pages < 2 {
				t.Errorf("%d pages: no restart", pages)
			}
		})
	}
}

// world is what was published, and of that what may be seen.
type world struct {
	mu      sync.Mutex
	visible map[string][]string // by collection
	own     map[string][]string // by publisher, hidden ones too
}

func (w *world) add(publisher, alias string, raw, hidden []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.visible[alias] = append(w.visible[alias], raw...)
	w.own[publisher] = append(append(w.own[publisher], raw...), hidden...)
}

// habit is how one client of the field pulls.
type habit struct {
	repeats       bool // it may receive an object twice
	collections   []string
	compatibility []auth.Compatibility // of a partner of its own
	tick          func(*puller) error  // one poll
}

// puller is a client that pulls.
type puller struct {
	g       *gateway
	account account
	name    string
	habit
	seen   map[string]map[string]int // by collection, bytes of objects: how often
	kept   map[string]string         // its state, which outlives its ticks
	before func()                    // before each page; nil for nothing
}

// run ticks while others write, and then until it has gone through once more.
func (p *puller) run(t *testing.T, written <-chan struct{}) {
	last := 0
	for n := 0; ; n++ {
		if err := p.tick(p); err != nil {
			t.Errorf("%s: poll %d: %v", p.name, n, err)
			return
		}
		select {
		case <-written:
			// A client that asks for a page a tick has some pages before it.
			if last++; last > 60 || p.kept["behind"] == "" && last > 2 {
				return
			}
		default:
		}
	}
}

func (p *puller) judge(t *testing.T, w *world) {
	for _, alias := range p.collections {
		want := map[string]bool{}
		for _, raw := range w.visible[alias] {
			want[raw] = true
			if n := p.seen[alias][raw]; n == 0 || n > 1 && !p.repeats {
				t.Errorf("%s: received %d times: %.120s", alias, n, raw)
			}
		}
		for raw := range p.seen[alias] {
			if !want[raw] {
				t.Errorf("%s: not its due: %.200s", alias, raw)
			}
		}
		if len(want) < 100 {
			t.Errorf("%s: only %d objects", alias, len(want))
		}
	}
}

// page is an answer to a poll.
type page struct {
	taxii.Envelope
	last string // X-TAXII-Date-Added-Last
	raw  []byte
}

// get asks for something that has to be there.
func (p *puller) get(url string, changes ...change) (http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(p.g.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Accept", taxii.MediaType)
	r.SetBasicAuth(string(p.account.id), p.account.secret)
	for _, c := range changes {
		c(r)
	}
	resp, err := p.g.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s: %d %s", r.URL.RequestURI(), resp.StatusCode, b)
	}
	// taxii2-client wants every token of what it accepts in the answer's type.
	if got := resp.Header.Get("Content-Type"); got != taxii.MediaType {
		return nil, nil, fmt.Errorf("Content-Type %q", got)
	}
	return resp.Header, b, nil
}

// objects asks for a page of objects and keeps what is in it.
func (p *puller) objects(name string, q url.Values, changes ...change) (page, error) {
	if p.before != nil {
		p.before()
	}
	head, b, err := p.get(p.g.url+"/secure/collections/"+name+"/objects/?"+q.Encode(), changes...)
	if err != nil {
		return page{}, err
	}
	out := page{last: head.Get(taxii.HeaderLast), raw: b}
	if err := json.Unmarshal(b, &out.Envelope); err != nil {
		return page{}, err
	}
	if len(name) > 2 { // an id
		name = p.kept["alias of "+name]
	}
	for _, o := range out.Objects {
		p.seen[name][string(o)]++
	}
	return out, nil
}

// discover goes from the discovery resource to the api root, and there to a collection by its title.
func (p *puller) discover(title string, changes ...change) (id string, err error) {
	resource := func(url string, v any) {
		if err == nil {
			var b []byte
			if _, b, err = p.get(url, changes...); err == nil {
				err = json.Unmarshal(b, v)
			}
		}
	}
	var d taxii.Discovery
	var root taxii.APIRoot
	var list taxii.Collections
	resource(p.g.url+"/taxii2/", &d)
	resource(d.Default, &root)
	resource(d.Default+"collections/", &list)
	if err != nil {
		return "", err
	}
	if d.Title == "" || root.Title == "" || !slices.Contains(root.Versions, taxii.MediaType) || root.MaxContentLength <= 0 {
		return "", fmt.Errorf("discovery %+v, api root %+v", d, root)
	}
	i := slices.IndexFunc(list.Collections, func(c taxii.Collection) bool { return c.Title == title })
	if i < 0 || !list.Collections[i].CanRead {
		return "", fmt.Errorf("no collection %q in %+v", title, list)
	}
	c := list.Collections[i]
	p.kept["alias of "+c.ID] = c.Alias
	return c.ID, nil
}
