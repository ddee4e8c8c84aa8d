package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"liaison/auth"
	"liaison/server/taxii"
)

// TestClients lets the clients of the field pull, each with its habits, while the publishers of the
// field write in bulk with theirs. Each receives exactly what it is entitled to: nothing is missed,
// nothing is received that is another's or hidden, and nothing twice but by those whose habit it is.
func TestClients(t *testing.T) {
	g := open(t)
	both := g.partner("both-countries", auth.Agency, auth.Rights{Read: true}, "vn", "lk")
	_, early := indicator("early")
	_, earlyToo := indicator("early too")
	g.publish(g.vendor, "vn", early)
	g.publish(g.vendor, "lk", earlyToo)
	w := &world{visible: map[string][]string{"vn": {early}, "lk": {earlyToo}}}
	written := make(chan struct{})
	var writers, pullers sync.WaitGroup
	for name, write := range publishers() {
		writers.Go(func() {
			if err := write(t.Context(), g, w); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	got := map[string]*puller{}
	for name, h := range habits() {
		p := &puller{g: g, account: both, name: name, habit: h, seen: map[string]map[string]int{"vn": {}, "lk": {}}, kept: map[string]string{}}
		got[name] = p
		pullers.Go(func() { p.run(t, written) })
	}
	writers.Wait()
	close(written)
	pullers.Wait()
	for _, name := range slices.Sorted(maps.Keys(got)) {
		t.Run(name, func(t *testing.T) { got[name].judge(t, w) })
	}
}

// world is what was published and may be seen.
type world struct {
	mu      sync.Mutex
	visible map[string][]string // by collection
}

func (w *world) add(alias string, raw ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.visible[alias] = append(w.visible[alias], raw...)
}

// habit is how one client of the field pulls.
type habit struct {
	repeats     bool // it may receive an object twice
	collections []string
	tick        func(*puller) error // one poll
}

// puller is a client that pulls.
type puller struct {
	g       *gateway
	account account
	name    string
	habit
	seen map[string]map[string]int // by collection, bytes of objects: how often
	kept map[string]string         // its state, which outlives its ticks
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
}

// objects asks for a page of objects and keeps what is in it.
func (p *puller) objects(alias string, q url.Values, changes ...change) (page, error) {
	r, err := http.NewRequestWithContext(p.g.Context(), http.MethodGet, p.g.url+"/secure/collections/"+alias+"/objects/?"+q.Encode(), nil)
	if err != nil {
		return page{}, err
	}
	r.Header.Set("Accept", taxii.MediaType)
	r.SetBasicAuth(string(p.account.id), p.account.secret)
	for _, c := range changes {
		c(r)
	}
	resp, err := p.g.client.Do(r)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return page{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return page{}, fmt.Errorf("%s: %d %s", r.URL.RequestURI(), resp.StatusCode, b)
	}
	// taxii2-client wants every token of what it accepts in the answer's type.
	if got := resp.Header.Get("Content-Type"); got != taxii.MediaType {
		return page{}, fmt.Errorf("Content-Type %q", got)
	}
	out := page{last: resp.Header.Get(taxii.HeaderLast)}
	if err := json.Unmarshal(b, &out.Envelope); err != nil {
		return page{}, err
	}
	if len(alias) > 2 { // an id
		alias = p.kept["alias of "+alias]
	}
	for _, o := range out.Objects {
		p.seen[alias][string(o)]++
	}
	return out, nil
}

// habits are the clients, as what they send was read in their own code and documentation.
func habits() map[string]habit {
	vn, two := []string{"vn"}, []string{"vn", "lk"}
	return map[string]habit{
		"Client_taxii2client":           {collections: vn, tick: taxii2Client},
		"Client_openctiIngester":        {collections: vn, tick: openCTIIngester},
		"Client_openctiConnector":       {collections: two, tick: openCTIConnector, repeats: true},
		"Client_addedAfterOnly":         {collections: vn, tick: addedAfterOnly},
		"Client_milliseconds":           {collections: vn, tick: milliseconds, repeats: true},
		"Client_elastic":                {collections: vn, tick: elastic},
		"Client_xsoar":                  {collections: vn, tick: xsoar, repeats: true},
		"Client_sentinel":               {collections: vn, tick: sentinel},
		"Client_takesNoNext":            {collections: two, tick: takesNoNext},
		"Client_repeatsAfterLostAnswer": {collections: vn, tick: repeatsAfterLostAnswer, repeats: true},
	}
}

const longAgo = "2020-01-01T00:00:00Z"

// or gives what was kept, or a default.
func (p *puller) or(key, otherwise string) string {
	if v, ok := p.kept[key]; ok {
		return v
	}
	return otherwise
}

// keep remembers a position if there is one.
func (p *puller) keep(key, value string) {
	if value != "" {
		p.kept[key] = value
	}
}

// trimmed writes a timestamp as taxii2-client does: without trailing zeros.
func trimmed(stamp string) string {
	whole, micros, ok := strings.Cut(strings.TrimSuffix(stamp, "Z"), ".")
	if micros = strings.TrimRight(micros, "0"); !ok || micros == "" {
		return whole + "Z"
	}
	return whole + "." + micros + "Z"
}

// taxii2Client is as_pages of taxii2-client: while there is more, the same parameters with next, which
// is empty when there is none.
func taxii2Client(p *puller) error {
	q := url.Values{"limit": {"70"}, "added_after": {trimmed(p.or("last", longAgo))}}
	for {
		e, err := p.objects("vn", q, header("Authorization", "Token "+p.account.secret))
		if err != nil {
			return err
		}
		p.keep("last", e.last)
		if !e.More {
			return nil
		}
		q.Set("next", e.Next)
	}
}

// openCTIIngester asks for one page a tick, with added_after and next together. When no date comes
// back it takes its own clock for it.
func openCTIIngester(p *puller) error {
	q := url.Values{"limit": {"90"}, "added_after": {p.or("last", longAgo)}}
	if next := p.kept["next"]; next != "" {
		q.Set("next", next)
	}
	e, err := p.objects("vn", q, header("Authorization", "Bearer "+p.account.secret))
	if err != nil {
		return err
	}
	p.kept["last"] = e.last
	if e.last == "" {
		p.kept["last"] = p.g.now().UTC().Format(time.RFC3339Nano)
	}
	p.kept["next"], p.kept["behind"] = e.Next, e.Next
	return nil
}

// openCTIConnector goes through its collections with one set of parameters: next is never cleared, and
// so goes from collection to collection and into the next run. added_after is its clock at the begin
// of the run before; here that clock is behind, for one that is ahead loses with any server.
func openCTIConnector(p *puller) error {
	begin := p.g.now().Add(-20 * time.Second).UTC().Format("2006-01-02T15:04:05.000000Z")
	q := url.Values{"added_after": {p.or("last_run", longAgo)}}
	if next := p.kept["next"]; next != "" {
		q.Set("next", next)
	}
	for _, alias := range []string{"vn", "lk"} {
		for {
			q.Set("limit", "100")
			e, err := p.objects(alias, q)
			if err != nil {
				return err
			}
			if !e.More {
				break
			}
			q.Set("next", e.Next)
		}
	}
	p.kept["last_run"], p.kept["next"] = begin, q.Get("next")
	return nil
}

// addedAfterOnly pages by dates alone.
func addedAfterOnly(p *puller) error {
	for {
		e, err := p.objects("vn", url.Values{"added_after": {p.or("last", longAgo)}, "limit": {"50"}})
		if err != nil {
			return err
		}
		p.keep("last", e.last)
		if !e.More {
			return nil
		}
	}
}

// milliseconds cuts dates, with pages of 100: it may see some twice, and has to advance.
func milliseconds(p *puller) error {
	for range 1000 {
		after := p.or("last", longAgo)
		e, err := p.objects("vn", url.Values{"added_after": {after}, "limit": {"100"}})
		if err != nil {
			return err
		}
		if len(e.last) > 4 {
			cut := e.last[:len(e.last)-len("000Z")] + "Z"
			if e.More && cut == after {
				return fmt.Errorf("it does not get beyond %s", after)
			}
			p.kept["last"] = cut
		}
		if !e.More {
			return nil
		}
	}
	return errors.New("paging does not end")
}

// elastic goes on while there is next, and drops every other parameter then.
func elastic(p *puller) error {
	q := url.Values{"added_after": {p.or("last", longAgo)}, "limit": {"80"}, "match[type]": {"indicator"}}
	for {
		e, err := p.objects("vn", q, header("Authorization", "Bearer "+p.account.secret))
		if err != nil {
			return err
		}
		p.keep("last", e.last)
		if e.Next == "" {
			return nil
		}
		q = url.Values{"next": {e.Next}}
	}
}

// xsoar fetches the whole feed of a year each time.
func xsoar(p *puller) error {
	q := url.Values{"added_after": {p.g.now().AddDate(-1, 0, 0).UTC().Format(time.RFC3339)}, "limit": {"100"}}
	for {
		e, err := p.objects("vn", q, header("Authorization"), header("X-API-Key", p.account.secret))
		if err != nil {
			return err
		}
		if !e.More {
			return nil
		}
		q.Set("next", e.Next)
	}
}

// sentinel knows the api root and the collection's id, and Basic only.
func sentinel(p *puller) error {
	id := string(p.g.collection("secure", "vn").ID)
	p.kept["alias of "+id] = "vn"
	q := url.Values{"added_after": {p.or("last", longAgo)}}
	for {
		e, err := p.objects(id, q, header("Accept", "application/taxii+json; version=2.1"))
		if err != nil {
			return err
		}
		p.keep("last", e.last)
		if !e.More {
			return nil
		}
		q.Set("next", e.Next)
	}
}

// takesNoNext asks two collections without a limit, by dates.
func takesNoNext(p *puller) error {
	for _, alias := range []string{"vn", "lk"} {
		for {
			e, err := p.objects(alias, url.Values{"added_after": {p.or(alias, longAgo)}})
			if err != nil {
				return err
			}
			p.keep(alias, e.last)
			if !e.More {
				break
			}
		}
	}
	return nil
}

// repeatsAfterLostAnswer asks for each page twice, as if the first answer had been lost.
func repeatsAfterLostAnswer(p *puller) error {
	q := url.Values{"added_after": {p.or("last", longAgo)}, "limit": {"60"}}
	for {
		once, err := p.objects("vn", q)
		if err != nil {
			return err
		}
		e, err := p.objects("vn", q)
		if err != nil {
			return err
		}
		if len(e.Objects) < len(once.Objects) || len(once.Objects) > 0 && string(e.Objects[0]) != string(once.Objects[0]) {
			return errors.New("the same page, asked for twice, is another")
		}
		p.keep("last", e.last)
		if !e.More {
			return nil
		}
		q.Set("next", e.Next)
	}
}
