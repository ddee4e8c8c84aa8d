package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"liaison/server/taxii"
)

// publisher is a client that publishes, of a vendor of its own.
type publisher struct {
	g       *gateway
	account account
	name    string
	world   *world
}

// publishers write as those of the field do.
func publishers() map[string]func(context.Context, *publisher) error {
	return map[string]func(context.Context, *publisher) error{
		"Client_taxii2clientPush": func(ctx context.Context, p *publisher) error { return p.bulk(ctx, "vn") },
		"Client_rivalPush":        func(ctx context.Context, p *publisher) error { return p.bulk(ctx, "vn") },
		"Client_otherCountryPush": func(ctx context.Context, p *publisher) error { return p.bulk(ctx, "lk") },
		"Client_openctiTaxiiPost": taxiiPost,
		"Client_mispPush":         mispPush,
		"Client_splunkCTIS":       splunkCTIS,
	}
}

// do sends a request and reads its answer, which has to have this status.
func (p *publisher) do(ctx context.Context, method, path, text string, want int, v any, changes ...change) error {
	r, err := http.NewRequestWithContext(ctx, method, p.g.url+path, strings.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Accept", taxii.MediaType)
	r.Header.Set("Content-Type", taxii.MediaType)
	r.SetBasicAuth(string(p.account.id), p.account.secret)
	for _, c := range changes {
		c(r)
	}
	resp, err := p.g.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s %s: %d %s, want %d", method, path, resp.StatusCode, b, want)
	}
	return json.Unmarshal(b, v)
}

// send publishes a body and wants all of it taken.
func (p *publisher) send(ctx context.Context, name, text string, n int, changes ...change) (taxii.Status, error) {
	var s taxii.Status
	err := p.do(ctx, http.MethodPost, "/secure/collections/"+name+"/objects/", text, http.StatusAccepted, &s, changes...)
	if err == nil && s.SuccessCount+s.PendingCount != n {
		err = fmt.Errorf("%+v, want %d successes", s, n)
	}
	return s, err
}

// waits asks for a status until it is complete, and wants all of it taken.
func (p *publisher) waits(ctx context.Context, s taxii.Status) error {
	for range 60 {
		if s.Status == "complete" {
			if s.SuccessCount != s.TotalCount {
				return fmt.Errorf("%+v", s)
			}
			return nil
		}
		if err := p.do(ctx, http.MethodGet, "/secure/status/"+s.ID+"/", "", http.StatusOK, &s); err != nil {
			return err
		}
	}
	return errors.New("the status does not become complete")
}

// bulk publishes envelopes, with objects among them that nobody else may see.
func (p *publisher) bulk(ctx context.Context, alias string) error {
	for i := range 12 {
		var list, open, hidden []string
		for j := range []int{1, 40, 130}[i%3] {
			_, raw := indicator(fmt.Sprintf("%s %d %d", p.name, i, j))
			if j%10 == 9 {
				raw = strings.Replace(raw, `"name":`, `"object_marking_refs":["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"],"name":`, 1)
				hidden = append(hidden, raw)
			} else {
				open = append(open, raw)
			}
			list = append(list, raw)
		}
		p.world.add(p.name, alias, open, hidden)
		s, err := p.send(ctx, alias, envelopeOf(list...), len(list))
		if err != nil {
			return err
		}
		// taxii2-client asks for the status until it is complete; others ask once more.
		if err := p.waits(ctx, s); err != nil {
			return err
		}
		var again taxii.Status
		if err := p.do(ctx, http.MethodGet, "/secure/status/"+s.ID+"/", "", http.StatusOK, &again); err != nil || again.ID != s.ID || again.SuccessCount != len(list) {
			return fmt.Errorf("status %+v, %v", again, err)
		}
	}
	return nil
}

// taxiiPost is OpenCTI's: a bundle for each object, as STIX's media type, without markings.
func taxiiPost(ctx context.Context, p *publisher) error {
	for i := range 25 {
		_, raw := indicator(fmt.Sprintf("post %d", i))
		p.world.add(p.name, "vn", []string{raw}, nil)
		bundle := `{"type":"bundle","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d","objects":[` + raw + `]}`
		if _, err := p.send(ctx, "vn", bundle, 1, header("Content-Type", "application/stix+json; version=2.1"),
			header("Accept", "application/taxii+json; version=2.1"), header("Authorization", "Bearer "+p.account.secret)); err != nil {
			return err
		}
	}
	return nil
}

// mispPush writes its scheme in small letters, as it was typed in, and takes its key apart at every
// colon. It reads max_content_length, fills
// envelopes up to it, and does not ask what became of them.
func mispPush(ctx context.Context, p *publisher) error {
	id := string(p.g.collection("secure", "vn").ID)
	if strings.Contains(string(p.account.id)+p.account.secret, ":") {
		return errors.New("a colon in client id or secret")
	}
	key := header("Authorization", strings.Replace(basic(p.account), "Basic", "basic", 1))
	var list []string
	for i := range 400 {
		_, raw := indicator(fmt.Sprintf("misp %d", i))
		list = append(list, raw)
	}
	p.world.add(p.name, "vn", list, nil)
	var root taxii.APIRoot
	if err := p.do(ctx, http.MethodGet, "/secure/", "", http.StatusOK, &root, key); err != nil {
		return err
	}
	sent := 0
	for ; len(list) > 0; sent++ {
		n, size := 0, len(envelopeOf())
		for n < len(list) && size+len(list[n])+1 <= int(root.MaxContentLength) {
			size += len(list[n]) + 1
			n++
		}
		if n == 0 {
			return fmt.Errorf("an object of %d bytes does not fit %d", len(list[0]), root.MaxContentLength)
		}
		if _, err := p.send(ctx, id, envelopeOf(list[:n]...), n, key); err != nil {
			return err
		}
		list = list[n:]
	}
	if sent < 2 {
		return errors.New("max_content_length is too large for this test: all went into one envelope")
	}
	return nil
}

// splunkCTIS posts a whole bundle as if it were an envelope, and waits until its status is complete.
func splunkCTIS(ctx context.Context, p *publisher) error {
	for i := range 6 {
		var list []string
		for j := range 20 {
			_, raw := indicator(fmt.Sprintf("splunk %d %d", i, j))
			list = append(list, raw)
		}
		p.world.add(p.name, "vn", list, nil)
		bundle := `{"type":"bundle","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d","spec_version":"2.1","objects":[` + strings.Join(list, ",") + `]}`
		s, err := p.send(ctx, "vn", bundle, len(list))
		if err != nil {
			return err
		}
		if err := p.waits(ctx, s); err != nil {
			return err
		}
		if s.TotalCount != len(list) {
			return fmt.Errorf("%+v", s)
		}
	}
	return nil
}
