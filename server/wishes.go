package server

import (
	"net/http"
	"net/url"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
	"liaison/stix"
)

// wishes reads what a publisher says of a whole publication, in parameters that TAXII does not have:
// countries=VN,LK for an intake, partners=vn-police,lk-cert for what is TLP:RED, confirm=lower-marking.
func (k *call) wishes() (w collections.Wishes, err error) {
	q, err := url.ParseQuery(k.r.URL.RawQuery)
	if err != nil { // who was to get it, and who was not, may stand in what cannot be read
		return w, taxii.NewError(http.StatusBadRequest, "bad_query", "Bad query", "the query is not well-formed: write ; as %3B and % as %25")
	}
	if w.Countries, err = k.countries(q); err != nil {
		return w, err
	}
	bad := func(name, why string) error {
		return taxii.NewError(http.StatusBadRequest, "bad_parameter", "Bad parameter", name+": "+why)
	}
	if q.Has("partners") {
		if w.Partners, err = collections.ParsePartners(q.Get("partners")); err != nil || len(q["partners"]) != 1 {
			return w, bad("partners", "want one list of partners' ids, separated by commas, like partners=vn-police,lk-cert")
		}
	}
	if q.Has("confirm") {
		if w.Lower = len(q["confirm"]) == 1 && q.Get("confirm") == collections.ConfirmLower; !w.Lower {
			return w, bad("confirm", "want "+collections.ConfirmLower)
		}
	}
	return w, nil
}

// identity is what a partner is told of itself.
type identity struct {
	Partner     auth.PartnerID `json:"partner"`
	Identity    stix.ID        `json:"identity"`    // of the identity object that the gateway issued for it
	Attribution string         `json:"attribution"` // named, or pseudonym
	Pseudonym   stix.ID        `json:"pseudonym,omitempty"`
}

// getIdentity tells a partner's client by which identities its objects may name it.
func (s *Server) getIdentity(k *call) error {
	p := s.o.Registry.State().Access.Partners[k.p.Partner]
	out := identity{Partner: p.ID, Identity: p.Identity, Attribution: "named"}
	if p.Attribution == auth.Pseudonymous {
		out.Attribution, out.Pseudonym = string(p.Attribution), p.Pseudonym
	}
	return k.plainJSON(http.StatusOK, out)
}
