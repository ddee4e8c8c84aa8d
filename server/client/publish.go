package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"liaison/server/taxii"
	"liaison/stix"
)

// Bounds of one request.
const (
	DefaultRequest = 8 << 20 // bytes, unless the server takes less
	maxObjects     = 100_000

	envelopeStart = `{"objects":[`
	envelopeEnd   = `]}`

	// A server that has refused so many single objects as bad requests, and taken nothing, is not
	// asked about the others one by one.
	hopeless = 20
)

// Source is a bundle, an envelope or a single object that can be read more than once.
type Source struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Failure is an object that did not make it, and why; or one that did, and what the server says of it.
type Failure struct {
	Collection string `json:"collection,omitempty"` // none when it was not sent at all
	Source     string `json:"source,omitempty"`     // the file; only when it was not sent
	ID         string `json:"id"`
	Version    string `json:"version,omitempty"`
	Message    string `json:"message"`
}

// Survey is what was found in a source without sending it.
type Survey struct {
	Objects int64 // that can be sent
	Bytes   int64 // of these
	Unsent  int64 // that cannot: no JSON objects, or larger than a request
}

// Outcome is what became of a publication in one collection. Sent objects are Accepted, Failed or
// Unknown: sent to a server that did not say what became of them.
type Outcome struct {
	Collection string `json:"collection"`
	ID         string `json:"id"`
	Requests   int64  `json:"requests"`
	Sent       int64  `json:"sent"`
	Accepted   int64  `json:"accepted"`
	Failed     int64  `json:"failed"`
	Unknown    int64  `json:"unknown"`
	Unlisted   int64  `json:"unlisted,omitempty"` // failures that the server counted and did not name
}

// Publisher sends sources to a collection in requests that the server can take.
type Publisher struct {
	Client *Client
	Root   Root
	// Countries is the list of countries for what is published to a Liaison's intake, for all objects without
	// one of their own; other servers know nothing of it.
	Countries []string
	// Partners may see what is TLP:RED and names nobody itself; ConfirmLower confirms that objects are marked
	// lower than the versions before them. Both are a Liaison's alone, like Countries.
	Partners     []string
	ConfirmLower bool

	Request int64             // bytes of a request at most; DefaultRequest when 0, never over the root's max_content_length
	Failed  func(Failure)     // told of each object that did not make it; may be nil
	Noted   func(Failure)     // told of each object that made it with a message; may be nil
	Sent    func(bytes int64) // told of progress: bytes of objects acknowledged or given up; may be nil
	largest int64             // bytes of a request that a server with an unannounced limit takes
	taken   bool              // a request was accepted
	refused int               // single objects refused as bad requests before that
}

// limit is how many bytes a request may have.
func (p *Publisher) limit() int64 {
	n := p.Request
	if n <= 0 {
		n = DefaultRequest
	}
	for _, most := range []int64{p.Root.MaxContentLength, p.largest} {
		if most > 0 {
			n = min(n, most)
		}
	}
	return max(n, int64(len(envelopeStart)+len(envelopeEnd)+2))
}

// largestObject is how many bytes an object may have so that a request can carry it: one that is
// larger than the usual request goes alone.
func (p *Publisher) largestObject() int {
	most := int64(1 << 30)
	if p.Root.MaxContentLength > 0 {
		most = min(most, p.Root.MaxContentLength-int64(len(envelopeStart)+len(envelopeEnd)))
	}
	return int(max(most, 2))
}

// Check reads a source to its end without sending anything. A source that is not well-formed as a
// whole is ErrInput; objects that cannot be sent are told to Failed. visit, unless nil, gets each
// of the others.
func (p *Publisher) Check(src Source, visit func(*stix.Object, *stix.Problem)) (Survey, error) {
	var v Survey
	err := p.scan(src, func(o *stix.Object, problem *stix.Problem, unsent string) error {
		if unsent != "" {
			v.Unsent++
			p.fail(Failure{Source: src.Name, ID: clean(string(o.ID)), Version: clean(string(o.Version().Text)), Message: unsent})
			return nil
		}
		v.Objects++
		v.Bytes += int64(len(o.Raw))
		if visit != nil {
			visit(o, problem)
		}
		return nil
	})
	return v, err
}

// scan gives every object of a source; unsent says why one cannot be sent at all. Whether an object
// is good STIX is the server's to judge. A source that is a single object is taken like an envelope
// with it.
func (p *Publisher) scan(src Source, visit visitor) error {
	err := p.scanAs(src, "", "", visit)
	if !errors.Is(err, stix.ErrNoObjects) {
		return err
	}
	single := false
	again := p.scanAs(src, envelopeStart, envelopeEnd, func(o *stix.Object, problem *stix.Problem, unsent string) error {
		if len(o.Type) == 0 || string(o.Type) == "bundle" || len(o.ID) == 0 {
			return nil
		}
		single = true
		return visit(o, problem, unsent)
	})
	if single {
		return again
	}
	return err
}

type visitor func(o *stix.Object, problem *stix.Problem, unsent string) error

// scanAs scans a source with something before and after it.
func (p *Publisher) scanAs(src Source, before, after string, visit visitor) error {
	r, err := src.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	defer r.Close()
	most := p.largestObject()
	s := stix.NewScanner(io.MultiReader(strings.NewReader(before), r, strings.NewReader(after)),
		stix.Limits{Body: 1 << 62, Object: most, Objects: 1 << 62})
	for n := 1; s.Next(); n++ {
		o, problem, unsent := s.Object(), s.Problem(), ""
		switch {
		case problem != nil && o.Raw == nil:
			unsent = fmt.Sprintf("object %d has more than %d bytes, the most that the server takes (max_content_length)", n, most)
		case problem != nil && !bytes.HasPrefix(o.Raw, []byte("{")):
			unsent = fmt.Sprintf("element %d of objects is no JSON object", n)
		}
		if err := visit(o, problem, unsent); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w: nothing of it is sent", ErrInput, src.Name, err)
	}
	return nil
}

// Publish sends the sources to a collection and follows what becomes of them. It may be repeated
// after any failure: what the server has it does not add twice. Objects that cannot be sent at all are
// left out, Check tells of them. On an error the outcome counts what was acknowledged before it.
func (p *Publisher) Publish(ctx context.Context, to taxii.Collection, sources []Source) (Outcome, error) {
	out := Outcome{Collection: Name(to), ID: to.ID}
	b := newBatch()
	send := func() error {
		if b.len() == 0 {
			return nil
		}
		err := p.post(ctx, to, b.all(), &out)
		b.reset()
		return err
	}
	for _, src := range sources {
		err := p.scan(src, func(o *stix.Object, _ *stix.Problem, unsent string) error {
			if unsent != "" {
				return nil // told by Check
			}
			if b.len() == maxObjects || b.len() > 0 && b.size()+1+int64(len(o.Raw)) > p.limit() {
				if err := send(); err != nil {
					return err
				}
			}
			b.add(o.Raw)
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return out, send()
}

func (p *Publisher) fail(f Failure) {
	if p.Failed != nil {
		p.Failed(f)
	}
}

// wishes gives what is said of everything that is published, as a query.
func (p *Publisher) wishes() string {
	q := url.Values{}
	if len(p.Countries) > 0 {
		q.Set("countries", strings.Join(p.Countries, ","))
	}
	if len(p.Partners) > 0 {
		q.Set("partners", strings.Join(p.Partners, ","))
	}
	if p.ConfirmLower {
		q.Set("confirm", "lower-marking")
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// post sends some objects in one request, or in two where the server does not take them together.
func (p *Publisher) post(ctx context.Context, to taxii.Collection, part batchPart, out *Outcome) error {
	u := under(p.Root.URL, "collections", to.ID, "objects")
	u += p.wishes()
	resp, err := p.Client.do(ctx, call{method: http.MethodPost, url: u,
		ctype: taxii.MediaType, body: part.body()})
	out.Requests++
	if e, ok := errors.AsType[*Error](err); ok && badRequest(e.Status) {
		return p.apart(ctx, to, part, out, e)
	}
	if err != nil {
		return err
	}
	p.taken = true
	n := int64(part.len())
	out.Sent += n
	st, err := p.follow(ctx, resp)
	if err != nil {
		out.Unknown += n
		return err
	}
	if st == nil {
		out.Unknown += n
	} else {
		failed := min(int64(st.FailureCount), n)
		out.Failed += failed
		out.Accepted += n - failed
		for _, f := range st.Failures {
			p.fail(Failure{Collection: Name(to), ID: clean(f.ID), Version: clean(f.Version), Message: clean(f.Message)})
		}
		out.Unlisted += max(0, failed-int64(len(st.Failures)))
		for _, d := range st.Successes {
			if d.Message != "" && p.Noted != nil {
				p.Noted(Failure{Collection: Name(to), ID: clean(d.ID), Version: clean(d.Version), Message: clean(d.Message)})
			}
		}
	}
	p.moved(part)
	return nil
}

func (p *Publisher) moved(part batchPart) {
	if p.Sent != nil {
		p.Sent(part.bytes())
	}
}

// badRequest reports whether a status is about what was sent, so that a part of it may be taken.
// Many servers refuse a request whole for one bad object in it.
func badRequest(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnprocessableEntity || status == http.StatusRequestEntityTooLarge
}

// apart sends the two halves of what was refused together; a single object has failed.
func (p *Publisher) apart(ctx context.Context, to taxii.Collection, part batchPart, out *Outcome, why *Error) error {
	if part.len() > 1 {
		if why.Status == http.StatusRequestEntityTooLarge {
			p.largest = max(part.size()/2, 1<<10)
		}
		a, b := part.halves()
		if err := p.post(ctx, to, a, out); err != nil {
			return err
		}
		return p.post(ctx, to, b, out)
	}
	if p.refused++; !p.taken && p.refused >= hopeless {
		return fmt.Errorf("the server has taken nothing of the first %d objects: %w", hopeless, why)
	}
	f := Failure{Collection: Name(to), Message: why.Error()}
	s := stix.NewScanner(bytes.NewReader(part.body()), stix.Limits{Body: 1 << 62, Object: 1 << 30})
	if s.Next() {
		f.ID, f.Version = clean(string(s.Object().ID)), clean(string(s.Object().Version().Text))
	}
	out.Sent++
	out.Failed++
	p.fail(f)
	p.moved(part)
	return nil
}
