package server

import (
	"net/http"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
)

// Administration answers requests below /admin/v1 of a principal that is an operator or an auditor.
type Administration interface {
	Remote(w http.ResponseWriter, r *http.Request, p auth.Principal)
}

// administer hands a request to the operator's API, which is the one of the socket. Who comes over
// TLS needs both a certificate and a token that is bound to it and not narrowed: one of them alone may
// have been stolen. For all others there is nothing here.
func (s *Server) administer(k *call) error {
	if s.o.Admin == nil || k.p.Role != auth.Operator && k.p.Role != auth.Auditor {
		return collections.ErrNotFound
	}
	if k.p.Method != auth.ByToken || k.p.Certificate == "" || !k.p.Scope.Has(auth.FullScope) {
		return taxii.NewError(http.StatusForbidden, "insufficient_proof", "Not permitted",
			"the operator's API wants a client certificate and, beside it, an access token of all scopes that was had with it")
	}
	s.o.Admin.Remote(k.Response().Writer, k.r, k.p)
	return nil
}
