package server

import (
	"context"
	"io"
	"net/http"

	"liaison/collections"
)

// postPreview says what would become of a publication to the collection, and does nothing. The body and
// the parameters are those of a publication; the answer is JSON of this gateway's own.
func (s *Server) postPreview(k *call) error {
	var v collections.Preview
	err := s.receive(k, func(ctx context.Context, at collections.Place, body io.Reader, w collections.Wishes) (err error) {
		v, err = s.o.Desk.Preview(ctx, k.p, at, body, w)
		return err
	})
	if err != nil {
		return err
	}
	return k.plainJSON(http.StatusOK, v)
}
