package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"liaison/server/taxii"
)

// publishers write as those of the field do.
func publishers() map[string]func(context.Context, *gateway, *world) error {
	return map[string]func(context.Context, *gateway, *world) error{
		"taxii2-client": func(ctx context.Context, g *gateway, w *world) error { return bulk(ctx, g, w, g.vendor, "vn") },
		"a rival":       func(ctx context.Context, g *gateway, w *world) error { return bulk(ctx, g, w, g.rival, "vn") },
		"another":       func(ctx context.Context, g *gateway, w *world) error { return bulk(ctx, g, w, g.rival, "lk") },
		"taxii-post":    taxiiPost,
		"MISP":          mispPush,
	}
}

// send posts a body and wants all of it taken.
func (g *gateway) send(ctx context.Context, a account, alias, text string, n int, changes ...change) (taxii.Status, error) {
	var s taxii.Status
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/secure/collections/"+alias+"/objects/", strings.NewReader(text))
	if err != nil {
		return s, err
	}
	r.Header.Set("Accept", taxii.MediaType)
	r.Header.Set("Content-Type", taxii.MediaType)
	r.SetBasicAuth(string(a.id), a.secret)
	for _, c := range changes {
		c(r)
	}
	resp, err := g.client.Do(r)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return s, err
	}
	if resp.StatusCode != http.StatusAccepted || s.Status != "complete" || s.SuccessCount != n {
		return s, fmt.Errorf("%d %+v, want %d successes", resp.StatusCode, s, n)
	}
	return s, nil
}

// bulk publishes envelopes, with objects among them that nobody else may see.
func bulk(ctx context.Context, g *gateway, w *world, a account, alias string) error {
	for i := range 12 {
		var list, open []string
		for j := range []int{1, 40, 130}[i%3] {
			_, raw := indicator(fmt.Sprintf("%s %d %d", a.partner, i, j))
			if j%10 == 9 {
				raw = strings.Replace(raw, `"name":`, `"object_marking_refs":["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"],"name":`, 1)
			} else {
				open = append(open, raw)
			}
			list = append(list, raw)
		}
		w.add(alias, open...)
		s, err := g.send(ctx, a, alias, envelopeOf(list...), len(list))
		if err != nil {
			return err
		}
		// taxii2-client asks for the status until it is complete.
		if err := g.asksStatus(ctx, a, s.ID); err != nil {
			return err
		}
	}
	return nil
}

func (g *gateway) asksStatus(ctx context.Context, a account, id string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/secure/status/"+id+"/", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", taxii.MediaType)
	r.SetBasicAuth(string(a.id), a.secret)
	resp, err := g.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var s taxii.Status
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || resp.StatusCode != http.StatusOK || s.Status != "complete" || s.ID != id {
		return fmt.Errorf("status: %d %+v %v", resp.StatusCode, s, err)
	}
	return nil
}

// taxiiPost is OpenCTI's: a bundle for each object, as STIX's media type.
func taxiiPost(ctx context.Context, g *gateway, w *world) error {
	for i := range 25 {
		_, raw := indicator(fmt.Sprintf("post %d", i))
		w.add("vn", raw)
		bundle := `{"type":"bundle","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d","objects":[` + raw + `]}`
		if _, err := g.send(ctx, g.vendor, "vn", bundle, 1, header("Content-Type", "application/stix+json; version=2.1"),
			header("Accept", "application/taxii+json; version=2.1"), header("Authorization", "Bearer "+g.vendor.secret)); err != nil {
			return err
		}
	}
	return nil
}

// mispPush writes its scheme in small letters, and reads max_content_length first.
func mispPush(ctx context.Context, g *gateway, w *world) error {
	for i := range 5 {
		var list []string
		for j := range 30 {
			_, raw := indicator(fmt.Sprintf("misp %d %d", i, j))
			list = append(list, raw)
		}
		w.add("vn", list...)
		credentials := strings.Replace(basic(g.rival), "Basic", "basic", 1)
		if _, err := g.send(ctx, g.rival, "vn", envelopeOf(list...), len(list), header("Authorization", credentials)); err != nil {
			return err
		}
	}
	return nil
}
