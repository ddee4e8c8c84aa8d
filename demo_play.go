package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/guard"
	"liaison/server/admin"
	"liaison/server/client"
	"liaison/server/taxii"
	"liaison/stix"
)

const demoOperation = auth.OperationID("secure")

// demoResult is what came of the story.
type demoResult struct {
	URL        string        `json:"url"`
	Indicators int           `json:"indicators"` // published by the vendors
	Objects    int           `json:"objects"`    // published, with all that belongs to them
	Placed     int           `json:"placed"`     // objects in collections; one may be in several
	Doors      int64         `json:"doors"`      // collections of others that were knocked at
	Opened     int64         `json:"opened"`     // of these; none may be
	Readers    []demoReceipt `json:"readers"`
	Right      bool          `json:"right"`
	Steps      []demoStep    `json:"steps"`
}

// demoReceipt compares what a reader received with what it was entitled to.
type demoReceipt struct {
	Partner    auth.PartnerID `json:"partner"`
	Country    string         `json:"country,omitempty"` // of an agency
	Clearance  stix.Level     `json:"clearance,omitzero"`
	Stated     int            `json:"stated"`     // indicators that the vendors stated for the country
	Indicators int            `json:"indicators"` // of these, those that it may see
	Entitled   int            `json:"entitled"`   // objects that it may see
	Received   int            `json:"received"`   // objects that it received
	Missing    []string       `json:"missing,omitempty"`
	Excess     []string       `json:"excess,omitempty"` // what it received and was not to, or twice
}

// demoAgency is the police of one country.
type demoAgency struct {
	id        auth.PartnerID
	country   string // ISO 3166-1 alpha-2
	name      string // of the country
	clearance stix.Level
}

// demoAgencies gives an agency for each country. Most have the usual clearance; a few have another, so
// that the markings show.
func demoAgencies() ([]demoAgency, error) {
	var list []demoAgency
	for _, c := range storyCountries() {
		name, err := collections.CountryName(c)
		if err != nil {
			return nil, err
		}
		a := demoAgency{id: auth.PartnerID(strings.ToLower(c) + "-police"), country: c, name: name, clearance: stix.AmberStrict}
		switch c {
		case "KI":
			a.clearance = stix.Green
		case "NR", "TO":
			a.clearance = stix.Amber
		case "SG":
			a.clearance = stix.Red // it may be named; nobody names it
		}
		list = append(list, a)
	}
	return list, nil
}

// play is the story.
func (d *demo) play(ctx context.Context, g *gateway) (*demoResult, error) {
	agencies, err := demoAgencies()
	if err != nil {
		return nil, err
	}
	var vendors []storyVendor
	result := &demoResult{URL: d.url}
	operator := g.client()
	defer operator.Close()
	for _, s := range []struct {
		name string
		do   func() (string, error)
	}{
		{"The story is written: what the vendors know", func() (string, error) {
			vendors, err = writeStory(d.began, d.indicators)
			return fmt.Sprintf("%d families, %d servers, invented", storyFamilies, storyServers), err
		}},
		{"The operator opens the operation and creates partners", func() (string, error) {
			return fmt.Sprintf("%d collections, %d vendors, %d agencies", len(agencies), len(vendors), len(agencies)),
				d.create(ctx, operator, vendors, agencies)
		}},
		{"Every partner joins with its invitation", func() (string, error) {
			return "a key, a certificate and a secret each", d.join(ctx, operator, vendors, agencies)
		}},
		{"The vendors publish; the intake finds the countries", func() (string, error) {
			err := d.publish(ctx, vendors, result)
			return fmt.Sprintf("%d indicators, %d objects, %d placed", result.Indicators, result.Objects, result.Placed), err
		}},
		{"Every agency pulls over TAXII, the vendors read back", func() (string, error) {
			err := d.pull(ctx, vendors, agencies)
			return "pages of 5,000 over TLS", err
		}},
		{"What was received is compared with what was due", func() (string, error) {
			err := d.compare(vendors, agencies, result)
			return fmt.Sprintf("%d readers, both ways", len(result.Readers)), err
		}},
		{"Every agency knocks at all the others' doors", func() (string, error) {
			err := d.knock(ctx, agencies, result)
			return fmt.Sprintf("%d tried, %d opened", result.Doors, result.Opened), err
		}},
		{"The journal is verified", func() (string, error) {
			v, err := operator.VerifyJournal(ctx)
			return fmt.Sprintf("%d lines", v.Lines), err
		}},
	} {
		if err := d.step(s.name, s.do); err != nil {
			return nil, err
		}
	}
	result.Steps = d.steps
	result.Right = result.Opened == 0 && !slices.ContainsFunc(result.Readers, func(r demoReceipt) bool {
		return len(r.Missing)+len(r.Excess) > 0
	})
	return result, nil
}

// demoExempt are the guard lists that the demo's vendors are exempted from.
var demoExempt = []string{guard.DocumentationAddresses, guard.DocumentationDomains}

func (d *demo) create(ctx context.Context, operator *admin.Client, vendors []storyVendor, agencies []demoAgency) error {
	_, err := operator.CreateOperation(ctx, admin.NewOperation{
		ID: demoOperation, Title: "Operation Secure",
		Description: "Infostealer infrastructure in Asia and Oceania. Invented data.", Countries: storyCountries(),
	})
	if err != nil {
		return err
	}
	for _, v := range vendors {
		if _, err := operator.CreatePartner(ctx, admin.NewPartner{
			ID: auth.PartnerID(v.id), Role: auth.Vendor, Name: v.name, DefaultMarking: "amber+strict",
			Operation: demoOperation, Countries: []string{"all"},
		}); err != nil {
			return err
		}
		// The story's addresses and domains are those for documents, which the guard would hold.
		if _, err := operator.SetPartner(ctx, auth.PartnerID(v.id), admin.PartnerChange{Exempt: &demoExempt}); err != nil {
			return err
		}
	}
	d.say("  the vendors are exempted from the guard lists %s, for the story's\n  addresses and domains are those of documents: \"liaison guard list\" shows it\n\n", strings.Join(demoExempt, " and "))
	for _, a := range agencies {
		if _, err := operator.CreatePartner(ctx, admin.NewPartner{
			ID: a.id, Role: auth.Agency, Name: "Police of " + a.name, Clearance: a.clearance.String(),
			Operation: demoOperation, Countries: []string{a.country},
		}); err != nil {
			return err
		}
	}
	return nil
}

// partnerDir is where a partner keeps what it received when it joined.
func (d *demo) partnerDir(id auth.PartnerID) string {
	return filepath.Join(d.dir, "partners", string(id))
}

func (d *demo) join(ctx context.Context, operator *admin.Client, vendors []storyVendor, agencies []demoAgency) error {
	ids := make([]auth.PartnerID, 0, len(vendors)+len(agencies))
	for _, v := range vendors {
		ids = append(ids, auth.PartnerID(v.id))
	}
	for _, a := range agencies {
		ids = append(ids, a.id)
	}
	return each(ids, func(id auth.PartnerID) error {
		invitation, err := operator.Invite(ctx, id, admin.NewInvitation{})
		if err != nil {
			return err
		}
		if _, err := joinGateway(ctx, invitation.URL, d.partnerDir(id)); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		return nil
	})
}

// each does something for all of a list, two at a time, and gives the errors together.
func each[T any](list []T, do func(T) error) error {
	var all sync.WaitGroup
	gate := make(chan struct{}, 2)
	errs := make([]error, len(list))
	for i, v := range list {
		gate <- struct{}{}
		all.Go(func() {
			defer func() { <-gate }()
			errs[i] = do(v)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// connect gives a partner's client and what it is shown.
func (d *demo) connect(ctx context.Context, id auth.PartnerID) (*client.Client, client.Root, []taxii.Collection, error) {
	c, err := partnerClient(d.partnerDir(id))
	if err != nil {
		return nil, client.Root{}, nil, err
	}
	root, err := c.APIRoot(ctx, "")
	if err != nil {
		return nil, root, nil, err
	}
	shown, err := c.Collections(ctx, root)
	return c, root, shown, err
}

func (d *demo) publish(ctx context.Context, vendors []storyVendor, result *demoResult) error {
	for _, v := range vendors {
		result.Objects += len(v.objects)
		for _, o := range v.objects {
			result.Placed += len(o.countries)
			if o.kind == "indicator" {
				result.Indicators++
			}
		}
	}
	return each(vendors, func(v storyVendor) error {
		c, root, shown, err := d.connect(ctx, auth.PartnerID(v.id))
		if err != nil {
			return fmt.Errorf("%s: %w", v.id, err)
		}
		to, err := client.Find(shown, collections.IntakeAlias)
		if err != nil {
			return fmt.Errorf("%s: %w", v.id, err)
		}
		var failed []client.Failure
		p := client.Publisher{Client: c, Root: root, Failed: func(f client.Failure) { failed = append(failed, f) }}
		out, err := p.Publish(ctx, to, []client.Source{v.bundle()})
		if err == nil && (out.Failed > 0 || out.Unknown > 0) {
			err = fmt.Errorf("%d objects did not make it, the first: %+v", len(failed), failed[:min(1, len(failed))])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", v.id, err)
		}
		return nil
	})
}

// bundle is all that the vendor has.
func (v storyVendor) bundle() client.Source {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"type":"bundle","id":"bundle--%s","objects":[`, uuid.NewString())
	comma := ""
	for _, o := range v.objects {
		b.WriteString(comma)
		b.Write(o.raw)
		comma = ","
	}
	b.WriteString("]}")
	return client.Source{
		Name: v.id,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
	}
}

// output is where a reader's objects go.
func (d *demo) output(id auth.PartnerID) string {
	return filepath.Join(d.dir, "pulled", string(id)+".ndjson")
}

func (d *demo) pull(ctx context.Context, vendors []storyVendor, agencies []demoAgency) error {
	if err := os.MkdirAll(filepath.Join(d.dir, "pulled"), 0o700); err != nil {
		return err
	}
	ids := make([]auth.PartnerID, 0, len(vendors)+len(agencies))
	for _, a := range agencies {
		ids = append(ids, a.id)
	}
	for _, v := range vendors {
		ids = append(ids, auth.PartnerID(v.id))
	}
	return each(ids, func(id auth.PartnerID) error {
		c, root, _, err := d.connect(ctx, id)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		out := d.output(id)
		p := client.Puller{Client: c, Root: root, Output: out, Format: client.FormatOf(out), State: out + ".state"}
		if _, err := p.Run(ctx); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		return nil
	})
}

// compare holds what each reader received against what its publishers meant for it. The rule is
// written down here once more, and not asked of the gateway.
func (d *demo) compare(vendors []storyVendor, agencies []demoAgency, result *demoResult) error {
	for _, a := range agencies {
		r := demoReceipt{Partner: a.id, Country: a.name, Clearance: a.clearance}
		due := map[[32]byte]dueObject{}
		for _, v := range vendors {
			for _, o := range v.objects {
				if !slices.Contains(o.countries, a.country) {
					continue
				}
				if o.kind == "indicator" {
					r.Stated++
				}
				if o.level > a.clearance || o.level == stix.Red {
					continue
				}
				if o.kind == "indicator" {
					r.Indicators++
				}
				due[sha256.Sum256(o.raw)] = dueObject{o.id, 1}
			}
		}
		if err := d.settle(&r, due); err != nil {
			return err
		}
		result.Readers = append(result.Readers, r)
	}
	for _, v := range vendors {
		r := demoReceipt{Partner: auth.PartnerID(v.id)}
		due := map[[32]byte]dueObject{}
		for _, o := range v.objects {
			due[sha256.Sum256(o.raw)] = dueObject{o.id, len(o.countries)}
			if o.kind == "indicator" {
				r.Stated++
				r.Indicators++
			}
		}
		if err := d.settle(&r, due); err != nil {
			return err
		}
		result.Readers = append(result.Readers, r)
	}
	return nil
}

// dueObject is an object that a reader is to receive so many times: once from each collection.
type dueObject struct {
	id    string
	times int
}

// settle compares byte for byte, by digest.
func (d *demo) settle(r *demoReceipt, due map[[32]byte]dueObject) error {
	for _, o := range due {
		r.Entitled += o.times
	}
	f, err := os.Open(d.output(r.Partner))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		r.Received++
		sum := sha256.Sum256(lines.Bytes())
		o := due[sum]
		if o.times == 0 {
			r.Excess = append(r.Excess, lines.Text())
			continue
		}
		o.times--
		due[sum] = o
	}
	for _, o := range due {
		if o.times > 0 {
			r.Missing = append(r.Missing, o.id)
		}
	}
	return lines.Err()
}

// knock asks, as each agency and with plain HTTP Basic, for the objects of every other country. It must
// be told that there is no such collection.
func (d *demo) knock(ctx context.Context, agencies []demoAgency, result *demoResult) error {
	var doors, opened atomic.Int64
	err := each(agencies, func(a demoAgency) error {
		account, get, err := d.plain(a.id)
		if err != nil {
			return err
		}
		defer get.CloseIdleConnections()
		for _, b := range agencies {
			if a.id == b.id {
				continue
			}
			doors.Add(1)
			u := account.APIRoot + "collections/" + strings.ToLower(b.country) + "/objects/"
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
			if err != nil {
				return err
			}
			req.Header.Set("Accept", taxii.MediaType)
			req.SetBasicAuth(account.ClientID, account.ClientSecret)
			resp, err := get.Do(req)
			if err != nil {
				return err
			}
			io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
			resp.Body.Close()
			if resp.StatusCode != http.StatusNotFound {
				opened.Add(1)
			}
		}
		return nil
	})
	result.Doors, result.Opened = doors.Load(), opened.Load()
	return err
}

// plain gives what any HTTP client of a partner has: its account, and TLS that trusts the gateway.
func (d *demo) plain(id auth.PartnerID) (client.Account, *http.Client, error) {
	dir := d.partnerDir(id)
	account, err := client.OpenAccount(dir)
	if err != nil {
		return account, nil, err
	}
	conf, err := account.TLS(dir)
	if err != nil {
		return account, nil, err
	}
	return account, &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}, nil
}
