package server

import (
	"context"
	"errors"
	"io"
	"net/http"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
)

// getDiscovery is TAXII 2.1 section 4.1. The default is one of the api roots that this caller sees.
func (s *Server) getDiscovery(k *call) error {
	list, err := s.o.Desk.Operations(k.r.Context(), k.p)
	if err != nil {
		return err
	}
	if err := s.o.Desk.Seen(k.r.Context(), k.p, collections.ReadDiscovery, collections.Place{}); err != nil {
		return err
	}
	d := taxii.Discovery{Title: s.o.Title, Description: s.o.Description, Contact: s.o.Contact}
	for _, op := range list {
		d.APIRoots = append(d.APIRoots, s.apiRoot(op.ID))
	}
	if len(d.APIRoots) > 0 {
		d.Default = d.APIRoots[0]
	}
	return k.reply(http.StatusOK, d)
}

func (s *Server) apiRoot(op auth.OperationID) string { return s.link("/" + string(op) + "/") }

// getRoot is TAXII 2.1 section 4.2.
func (s *Server) getRoot(k *call) error {
	op, err := s.operation(k)
	if err != nil {
		return err
	}
	if err := s.o.Desk.Seen(k.r.Context(), k.p, collections.ReadRoot, collections.Place{Operation: op.ID}); err != nil {
		return err
	}
	return k.reply(http.StatusOK, taxii.NewAPIRoot(op, s.o.MaxContent))
}

func (s *Server) operation(k *call) (collections.Operation, error) {
	if k.root().Check() != nil {
		return collections.Operation{}, collections.ErrNotFound
	}
	return s.o.Desk.Operation(k.r.Context(), k.p, k.root())
}

// getStatus is TAXII 2.1 section 4.3. Only the publisher's partner has it: it lists ids.
func (s *Server) getStatus(k *call) error {
	id, ok := taxii.StatusID(k.Param("status"))
	if !ok || k.root().Check() != nil {
		return collections.ErrNotFound
	}
	status, err := s.o.Desk.Status(k.r.Context(), k.p, k.root(), id)
	if err != nil {
		return err
	}
	return k.reply(http.StatusOK, taxii.NewStatus(status))
}

// getCollections is TAXII 2.1 section 5.1, sorted by id.
func (s *Server) getCollections(k *call) error {
	if k.root().Check() != nil {
		return collections.ErrNotFound
	}
	list, err := s.o.Desk.Collections(k.r.Context(), k.p, k.root())
	if err != nil {
		return err
	}
	var c taxii.Collections
	for _, l := range list {
		c.Collections = append(c.Collections, taxii.NewCollection(l))
	}
	return k.reply(http.StatusOK, c)
}

// getCollection is TAXII 2.1 section 5.2.
func (s *Server) getCollection(k *call) error {
	at, err := k.collection()
	if err != nil {
		return err
	}
	if err := s.o.Desk.Seen(k.r.Context(), k.p, collections.ReadCollection, at); err != nil {
		return err
	}
	return k.reply(http.StatusOK, taxii.NewCollection(k.listing))
}

// getManifest is TAXII 2.1 section 5.3.
func (s *Server) getManifest(k *call) error {
	at, err := k.collection()
	if err != nil {
		return err
	}
	q, err := s.ask(k, taxii.OfManifest, at, "")
	if err != nil {
		return err
	}
	list, err := s.o.Desk.Manifest(k.r.Context(), k.p, at, q.Query)
	if err != nil {
		return err
	}
	next := q.page(k, list.First, list.Last, list.After, len(list.Facts), list.More)
	return k.reply(http.StatusOK, taxii.NewManifest(list.Facts, next))
}

// getVersions is TAXII 2.1 section 5.8.
func (s *Server) getVersions(k *call) error {
	at, id, err := k.object()
	if err != nil {
		return err
	}
	q, err := s.ask(k, taxii.OfVersions, at, id)
	if err != nil {
		return err
	}
	list, err := s.o.Desk.Versions(k.r.Context(), k.p, at, id, q.Query)
	if err != nil {
		return err
	}
	next := q.page(k, list.First, list.Last, list.After, len(list.Facts), list.More)
	return k.reply(http.StatusOK, taxii.NewVersions(list.Facts, next))
}

// getObjects is TAXII 2.1 section 5.4.
func (s *Server) getObjects(k *call) error {
	at, err := k.collection()
	if err != nil {
		return err
	}
	q, err := s.ask(k, taxii.OfObjects, at, "")
	if err != nil {
		return err
	}
	page, err := s.o.Desk.Objects(k.r.Context(), k.p, at, q.Query)
	if err != nil {
		return err
	}
	return s.envelope(k, q, page)
}

// getObject is TAXII 2.1 section 5.6.
func (s *Server) getObject(k *call) error {
	at, id, err := k.object()
	if err != nil {
		return err
	}
	q, err := s.ask(k, taxii.OfObject, at, id)
	if err != nil {
		return err
	}
	page, err := s.o.Desk.Object(k.r.Context(), k.p, at, id, q.Query)
	if err != nil {
		return err
	}
	return s.envelope(k, q, page)
}

// deleteObject is TAXII 2.1 section 5.7: 200 without a payload.
func (s *Server) deleteObject(k *call) error {
	at, id, err := k.object()
	if err != nil {
		return err
	}
	q, err := taxii.ParseQuery(taxii.OfDeletion, k.r.URL.RawQuery)
	if err != nil {
		return err
	}
	if err := s.rates.charge(k.p.Client, s.now()); err != nil {
		return err
	}
	_, err = s.o.Desk.Delete(k.r.Context(), k.p, at, id, q.Query.Versions, q.Query.Specs)
	if err != nil {
		return s.health.note(err, s.now())
	}
	s.head(k, http.StatusOK)
	return nil
}

// postObjects is TAXII 2.1 section 5.5: 202 when everything is durable and visible.
func (s *Server) postObjects(k *call) error {
	var status collections.Status
	err := s.receive(k, func(ctx context.Context, at collections.Place, body io.Reader, w collections.Wishes) (err error) {
		if k.r.Header.Get("Content-Encoding") == "" {
			w.Size = max(k.r.ContentLength, 0)
		}
		status, err = s.o.Desk.PublishWith(ctx, k.p, at, body, w)
		return err
	})
	if err != nil {
		return err
	}
	return k.reply(http.StatusAccepted, taxii.NewStatus(status))
}

// receive does what a publication and its preview have in common: the bounds of a body, the rate, the time
// that it may take, and what is said when it fails.
func (s *Server) receive(k *call, act func(context.Context, collections.Place, io.Reader, collections.Wishes) error) error {
	if k.r.ContentLength > s.o.MaxContent {
		return errTooLong
	}
	at, err := k.collection()
	if err != nil {
		return err
	}
	wishes, err := k.wishes()
	if err != nil {
		return err
	}
	if err := s.rates.charge(k.p.Client, s.now()); err != nil {
		return err
	}
	body, err := s.body(k)
	if err != nil {
		return err
	}
	defer body.Close()
	ctx, cancel := context.WithTimeout(k.r.Context(), s.publishingTime())
	defer cancel()
	err = act(ctx, at, body, wishes)
	if err = s.health.note(body.verdict(err), s.now()); err != nil {
		return s.notPublished(k, err)
	}
	k.limits.answer()
	return nil
}

// notPublished tells a publisher that is not permitted when that is because the operation is closed.
func (s *Server) notPublished(k *call, err error) error {
	if !errors.Is(err, collections.ErrDenied) {
		return err
	}
	if op, e := s.operation(k); e != nil || !op.Closed {
		return err
	}
	return taxii.NewError(http.StatusForbidden, "forbidden", "Not permitted", taxii.Closed)
}
