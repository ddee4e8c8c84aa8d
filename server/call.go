package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
	"liaison/stix"
)

// call is one request on its way through a handler.
type call struct {
	echo.Context
	s       *Server
	r       *http.Request
	p       auth.Principal
	limits  *deadlines
	listing collections.Listing // after collection
}

// admit wraps a route's handler in what its door asks of a caller.
func (s *Server) admit(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		k := &call{Context: c, s: s, r: c.Request(), limits: s.deadlines(c)}
		err := s.enter(k, r)
		if err != nil && r.door >= client {
			c.Set(dialectKey, dialectJSON)
		}
		return err
	}
}

func (s *Server) enter(k *call, r route) error {
	if err := s.addressed(k.r); err != nil {
		return err
	}
	switch r.door {
	case public:
		return r.handle(k)
	case greeting:
		if taxii.Accept(k.r.Header.Values(echo.HeaderAccept)).HTML {
			return k.page(http.StatusOK, welcomePage, s.welcome())
		}
	}
	// A browser adds a password that it remembers, and a certificate, to what another site's page sends.
	// TAXII's own methods need a media type that makes it ask first; these do not.
	if r.door == client && s.sites.Check(k.r) != nil {
		return taxii.NewError(http.StatusForbidden, "cross_site", "Not permitted", "this is not for the pages of other sites")
	}
	leave, err := s.login(k)
	if err != nil {
		return err
	}
	defer leave()
	// TAXII 2.1 section 3.1: requests "MUST" accept it, and 406 is for those that do not. A publication
	// that is too large is 413 before.
	if r.door != client && k.r.Method != http.MethodPost && !k.accepts() {
		return errNotAcceptable()
	}
	return r.handle(k)
}

func (k *call) accepts() bool {
	return taxii.Accept(k.r.Header.Values(echo.HeaderAccept)).TAXII
}

// The names in a path are checked before anything is looked up by them. One that could not be the
// name of anything is answered like one that is the name of nothing here.

func (k *call) root() auth.OperationID { return auth.OperationID(k.Param("root")) }

// collection finds the collection of the path.
func (k *call) collection() (collections.Place, error) {
	root, name := k.root(), k.Param("collection")
	if root.Check() != nil || !taxii.CollectionName(name) {
		return collections.Place{}, collections.ErrNotFound
	}
	var err error
	k.listing, err = k.s.o.Desk.Find(k.r.Context(), k.p, root, name)
	return k.listing.Place(), err
}

// object finds the collection and the object's id of the path.
func (k *call) object() (collections.Place, stix.ID, error) {
	id, ok := taxii.ObjectID(k.Param("object"))
	if !ok {
		return collections.Place{}, "", collections.ErrNotFound
	}
	at, err := k.collection()
	return at, id, err
}

// reply writes a resource of TAXII as JSON, compressed when that is worth it.
func (k *call) reply(status int, v any) error {
	b, err := marshal(v)
	if err != nil {
		return err
	}
	return k.s.send(k, status, b)
}

// marshal writes JSON as it is read best: <, > and & stand for themselves.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// plainJSON writes an answer that is not TAXII's, and that nobody may keep.
func (k *call) plainJSON(status int, v any) error {
	b, err := marshal(v)
	if err != nil {
		return err
	}
	h := k.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache") // RFC 6749 section 5.1
	return k.Blob(status, "application/json", b)
}

// readJSON reads one small JSON object, unknown members refused.
func (k *call) readJSON(most int64, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(k.Response(), k.r.Body, most))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return err
		}
		return taxii.NewError(http.StatusBadRequest, "invalid_request", "Invalid request", "want one JSON object with the members that the documentation names")
	}
	if d.More() {
		return taxii.NewError(http.StatusBadRequest, "invalid_request", "Invalid request", "want one JSON object and nothing after it")
	}
	return nil
}
