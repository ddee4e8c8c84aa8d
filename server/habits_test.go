package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"liaison/auth"
)

// habits are the clients, as what they send was read in their own code and documentation.
func habits() map[string]habit {
	vn, two := []string{"vn"}, []string{"vn", "lk"}
	return map[string]habit{
		"Client_taxii2client":           {collections: vn, tick: taxii2Client},
		"Client_openctiIngester":        {collections: vn, tick: openCTIIngester},
		"Client_openctiConnector":       {collections: two, tick: openCTIConnector, repeats: true},
		"Client_addedAfterOnly":         {collections: vn, tick: addedAfterOnly},
		"Client_milliseconds":           {collections: vn, tick: milliseconds, repeats: true},
		"Client_elastic":                {collections: vn, tick: elastic, compatibility: []auth.Compatibility{auth.EmptyObjects}},
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

// taxii2Client goes from discovery to its collection, and there by as_pages: while there is more, the
// same parameters with next, which is empty when there is none.
func taxii2Client(p *puller) error {
	token := header("Authorization", "Token "+p.account.secret)
	id, err := p.discover("Viet Nam", token)
	if err != nil {
		return err
	}
	q := url.Values{"limit": {"70"}, "added_after": {trimmed(p.or("last", longAgo))}, "next": {""}}
	for {
		e, err := p.objects(id, q, token)
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

// openCTIIngester asks for one page a tick, with added_after and next together: it knows the api root
// and the collection's id. When no date comes back it takes its own clock for it.
func openCTIIngester(p *puller) error {
	id := string(p.g.collection("secure", "vn").ID)
	p.kept["alias of "+id] = "vn"
	q := url.Values{"limit": {"90"}, "added_after": {p.or("last", longAgo)}}
	if next := p.kept["next"]; next != "" {
		q.Set("next", next)
	}
	e, err := p.objects(id, q, header("Authorization", "Bearer "+p.account.secret))
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

// openCTIConnector finds its collections by title and goes through them with one set of parameters:
// next is never cleared, and so goes from collection to collection and into the next run. Every third
// run it has been restarted: then only the begin of the run before is left of its state, which is
// added_after. That is its own clock; here it is behind, for one that is ahead loses with any server.
func openCTIConnector(p *puller) error {
	key := header("X-API-Key", p.account.secret)
	begin := p.g.now().Add(-20 * time.Second).UTC().Format("2006-01-02T15:04:05.000000Z")
	q := url.Values{"added_after": {p.or("last_run", longAgo)}}
	p.kept["runs"] += "."
	if next := p.kept["next"]; next != "" && len(p.kept["runs"])%3 != 0 {
		q.Set("next", next)
	}
	for _, title := range []string{"Viet Nam", "Sri Lanka"} {
		id, err := p.discover(title, header("Authorization"), key)
		if err != nil {
			return err
		}
		for {
			q.Set("limit", "100")
			e, err := p.objects(id, q, header("Authorization"), key)
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

// elastic comes with an access token that it had for its client credentials. It goes on while next is
// there, whatever more says, dropping every other parameter; an answer without objects is an error.
func elastic(p *puller) error {
	id := string(p.g.collection("secure", "vn").ID)
	p.kept["alias of "+id] = "vn"
	q := url.Values{"added_after": {p.or("last", longAgo)}, "limit": {"80"}, "match[type]": {"indicator"}}
	if p.kept["token"] == "" {
		token, err := p.clientCredentials()
		if err != nil {
			return err
		}
		p.kept["token"] = token
	}
	for {
		e, err := p.objects(id, q, header("Authorization", "Bearer "+p.kept["token"]))
		if err != nil {
			return err
		}
		var state map[string]json.RawMessage
		if err := json.Unmarshal(e.raw, &state); err != nil || state["objects"] == nil {
			return fmt.Errorf("no such key: objects: %.100s", e.raw)
		}
		p.keep("last", e.last)
		if e.Next == "" {
			return nil
		}
		q = url.Values{"next": {e.Next}}
	}
}

// clientCredentials gets an access token. RFC 6749 section 4.4.
func (p *puller) clientCredentials() (string, error) {
	r, err := http.NewRequestWithContext(p.g.Context(), http.MethodPost, p.g.url+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", formType)
	r.SetBasicAuth(string(p.account.id), p.account.secret)
	resp, err := p.g.client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var t auth.TokenResponse
	if err := json.NewDecoder(resp.Body).Decode(&t); err != nil || t.AccessToken == "" {
		return "", fmt.Errorf("token: %d %v", resp.StatusCode, err)
	}
	return t.AccessToken, nil
}

// xsoar finds its collection by name and fetches the whole feed of a year each time.
func xsoar(p *puller) error {
	key := header("X-API-Key", p.account.secret)
	id, err := p.discover("Viet Nam", header("Authorization"), key)
	if err != nil {
		return err
	}
	q := url.Values{"added_after": {p.g.now().AddDate(-1, 0, 0).UTC().Format(time.RFC3339)}, "limit": {"100"}}
	for {
		e, err := p.objects(id, q, header("Authorization"), key)
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
