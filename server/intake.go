package server

import (
	"net/http"
	"net/url"

	"liaison/collections"
	"liaison/server/taxii"
)

// countries reads the publisher's list of countries for a publication into an intake: the parameter
// countries=VN,LK, once. TAXII has no parameters for publications; what else there is is ignored.
func (k *call) countries(q url.Values) ([]string, error) {
	if !q.Has("countries") {
		return nil, nil
	}
	bad := func(why string) error {
		return taxii.NewError(http.StatusBadRequest, "bad_parameter", "Bad parameter", "countries: "+why)
	}
	if len(q["countries"]) != 1 || q.Get("countries") == "" {
		return nil, bad("want one list of ISO 3166-1 codes of two letters, like countries=VN,LK")
	}
	if !k.listing.Intake {
		return nil, bad("only what is published to the intake is routed; this is another collection: leave it out")
	}
	list, err := collections.ParseCountries(q.Get("countries"))
	if err != nil { // without its text, which repeats what may be anything
		return nil, bad("want ISO 3166-1 codes of two letters, separated by commas, like VN,LK")
	}
	return list, nil
}
