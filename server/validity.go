package server

import (
	"errors"
	"net/http"

	"liaison/collections"
	"liaison/server/taxii"
)

// What partners ask beside TAXII. The paths lie where TAXII 2.1 section 3 has none, login, rights,
// rates, errors and media type are TAXII's: docs/validity.md.

// getValidity lists what is out of date or revoked in a collection, or says it of one object.
func (s *Server) getValidity(k *call) error {
	at, err := k.collection()
	if err != nil {
		return err
	}
	q, err := taxii.ParseBeside(k.r.URL.RawQuery, "since", "id", "limit", "next")
	if err != nil {
		return err
	}
	if err := s.rates.charge(k.p.Client, s.now()); err != nil {
		return err
	}
	if q.ID == "" {
		page, err := s.o.Desk.Lapsed(k.r.Context(), k.p, at, q.Lapses)
		if err != nil {
			return err
		}
		return k.reply(http.StatusOK, taxii.NewLapses(page))
	}
	one, err := s.o.Desk.Validity(k.r.Context(), k.p, at, q.ID)
	if err != nil {
		return err
	}
	return k.reply(http.StatusOK, taxii.Lapses{Objects: []taxii.Lapse{taxii.NewLapse(one)}})
}

// getCommon lists the values of a collection that several partners report.
func (s *Server) getCommon(k *call) error {
	at, err := k.collection()
	if err != nil {
		return err
	}
	q, err := taxii.ParseBeside(k.r.URL.RawQuery, "limit", "next")
	if err != nil {
		return err
	}
	if err := s.rates.charge(k.p.Client, s.now()); err != nil {
		return err
	}
	page, err := s.o.Desk.Common(k.r.Context(), k.p, at, q.After, q.Limit)
	if err != nil {
		return err
	}
	return k.reply(http.StatusOK, taxii.NewReports(page))
}

// getReported says of values by how many partners they are reported.
func (s *Server) getReported(k *call) error {
	if _, err := s.operation(k); err != nil {
		return err
	}
	q, err := taxii.ParseBeside(k.r.URL.RawQuery, "value")
	if err != nil {
		return err
	}
	if err := s.rates.charge(k.p.Client, s.now()); err != nil {
		return err
	}
	list, err := s.o.Desk.Reports(k.r.Context(), k.p, k.root(), q.Values)
	if errors.Is(err, collections.ErrInvalid) {
		return taxii.NewError(http.StatusBadRequest, "invalid_parameter", "Invalid parameter value", err.Error())
	}
	if err != nil {
		return err
	}
	return k.reply(http.StatusOK, taxii.NewReports(collections.CommonPage{Values: list}))
}
