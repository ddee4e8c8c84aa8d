package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"liaison/server/taxii"
	"liaison/stix"
)

// ErrNoPreview is a server that cannot say what it would do.
var ErrNoPreview = errors.New("the server has no preview")

// Preview asks a Liaison what would become of the sources, and has it do nothing. They are asked about in as
// few requests as max_content_length allows, each by itself: what one brings the next one does not know of.
// A server that has no such thing is ErrNoPreview.
func (p *Publisher) Preview(ctx context.Context, to taxii.Collection, sources []Source) ([]taxii.Preview, error) {
	most := p.Root.MaxContentLength
	if most <= 0 {
		most = DefaultRequest
	}
	var list []taxii.Preview
	b := newBatch()
	ask := func() error {
		if b.len() == 0 {
			return nil
		}
		v, err := p.askPreview(ctx, to, b.all().body())
		if err == nil {
			list = append(list, v)
		}
		b.reset()
		return err
	}
	for _, src := range sources {
		err := p.scan(src, func(o *stix.Object, _ *stix.Problem, unsent string) error {
			if unsent != "" {
				return nil // told by Check
			}
			if b.len() == maxObjects || b.len() > 0 && b.size()+1+int64(len(o.Raw)) > most {
				if err := ask(); err != nil {
					return err
				}
			}
			b.add(o.Raw)
			return nil
		})
		if err != nil {
			return list, err
		}
	}
	return list, ask()
}

func (p *Publisher) askPreview(ctx context.Context, to taxii.Collection, body []byte) (v taxii.Preview, err error) {
	resp, err := p.Client.do(ctx, call{
		method: http.MethodPost, url: under(p.Root.URL, "collections", to.ID, "preview") + p.wishes(),
		ctype: taxii.MediaType, body: body,
	})
	if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed) {
		return v, fmt.Errorf("%w: %w", ErrNoPreview, err)
	}
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	if err := decode(resp, &v); err != nil {
		return v, err
	}
	for i := range v.Objects {
		f := &v.Objects[i]
		f.ID, f.Version, f.Message = clean(f.ID), clean(f.Version), clean(f.Message)
		for i, c := range f.Collections {
			f.Collections[i] = clean(c)
		}
	}
	return v, nil
}
