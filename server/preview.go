package server

import (
	"context"
	"net/http"
)

// postPreview says what would become of a publication to the collection, and does nothing. The body and
// the parameters are those of a publication; the answer is JSON of this gateway's own.
func (s *Server) postPreview(k *call) error {
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
	v, err := s.o.Desk.Preview(ctx, k.p, at, body, wishes)
	if err = s.health.note(body.verdict(err), s.now()); err != nil {
		return s.notPublished(k, err)
	}
	k.limits.answer()
	return k.plainJSON(http.StatusOK, v)
}
