package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"liaison/server/client"
	"liaison/stix"
)

// rewriting is what "publish" changes of the publisher's own objects, on the publisher's side: the gateway
// changes no byte of them. The zero value changes nothing.
type rewriting struct {
	pseudonym string // created_by_ref becomes this
	revoked   string // objects are revoked, with this as modified
}

const stixTime = "2006-01-02T15:04:05.000Z"

func (r *rewriting) nothing() bool { return *r == rewriting{} }

// sources gives what is to be sent instead of these.
func (r *rewriting) sources(list []client.Source, told func(string)) ([]client.Source, error) {
	if r.nothing() {
		return list, nil
	}
	out := make([]client.Source, len(list))
	for i, src := range list {
		body, err := r.source(src, told)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", src.Name, err)
		}
		out[i] = client.Source{Name: src.Name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }}
	}
	return out, nil
}

// source rewrites one source as an envelope. An object that cannot be read stays as it is: the gateway
// says what is wrong with it.
func (r *rewriting) source(src client.Source, told func(string)) ([]byte, error) {
	f, err := src.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var objects [][]byte
	authors := map[string]bool{}
	ids := []string{}
	s := stix.NewScanner(f, stix.Limits{Body: 1 << 40, Object: 1 << 30, Objects: 1 << 30})
	for s.Next() {
		o := s.Object()
		authors[string(o.CreatedBy)] = true
		objects, ids = append(objects, bytes.Clone(o.Raw)), append(ids, string(o.ID))
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	body.WriteString(`{"objects":[`)
	n := 0
	for i, raw := range objects {
		if r.pseudonym != "" && authors[ids[i]] && ids[i] != r.pseudonym {
			told(fmt.Sprintf("%s: %s is left out: it would tell who made the others", src.Name, ids[i]))
			continue
		}
		if n++; n > 1 {
			body.WriteByte(',')
		}
		body.Write(r.object(raw))
	}
	body.WriteString("]}")
	return body.Bytes(), nil
}

// object rewrites one object: only the members that change, and their order.
func (r *rewriting) object(raw []byte) []byte {
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil {
		return raw
	}
	text := func(s string) json.RawMessage {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err) // a string
		}
		return b
	}
	changed := false
	if _, ok := o["created_by_ref"]; ok && r.pseudonym != "" {
		o["created_by_ref"], changed = text(r.pseudonym), true
	}
	if _, ok := o["modified"]; ok && r.revoked != "" {
		o["revoked"], o["modified"], changed = json.RawMessage("true"), text(r.revoked), true
	}
	if !changed {
		return raw
	}
	out, err := json.Marshal(o)
	if err != nil {
		return raw
	}
	return out
}

// revokedNow is the modified of objects that are revoked now.
func revokedNow() string { return time.Now().UTC().Format(stixTime) }
