package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// route is one line of the table.
type route struct {
	method string // GET answers HEAD too
	path   string // without the final slash; with it the route answers alike
	handle func(*call) error
	door   door
}

// door says how a route is reached and how its errors are written.
type door uint8

const (
	protocol door = iota // TAXII: an identified caller that accepts TAXII's media type
	greeting             // TAXII, or a page for a browser that is not identified
	client               // an identified caller; errors as JSON
	public               // anybody; errors as JSON
)

// routes is everything that this server answers. TAXII 2.1 sections 4 and 5.
func (s *Server) routes() []route {
	const (
		root       = "/:root"
		collection = root + "/collections/:collection"
		object     = collection + "/objects/:object"

		validity = collection + "/validity" // beside TAXII, see validity.go
		reported = collection + "/reported"

		administration = "/admin/v1/*" // its routes are the API's own
	)
	return []route{
		{http.MethodGet, "/taxii2", s.getDiscovery, greeting},
		{http.MethodGet, root, s.getRoot, protocol},
		{http.MethodGet, root + "/status/:status", s.getStatus, protocol},
		{http.MethodGet, root + "/collections", s.getCollections, protocol},
		{http.MethodGet, collection, s.getCollection, protocol},
		{http.MethodGet, collection + "/manifest", s.getManifest, protocol},
		{http.MethodGet, collection + "/objects", s.getObjects, protocol},
		{http.MethodPost, collection + "/objects", s.postObjects, protocol},
		{http.MethodPost, collection + "/preview", s.postPreview, protocol},
		{http.MethodGet, object, s.getObject, protocol},
		{http.MethodDelete, object, s.deleteObject, protocol},
		{http.MethodGet, object + "/versions", s.getVersions, protocol},

		{http.MethodGet, validity, s.getValidity, protocol},
		{http.MethodGet, reported, s.getCommon, protocol},
		{http.MethodGet, root + "/reported", s.getReported, protocol},

		{http.MethodPost, "/oauth2/token", s.postToken, public},
		{http.MethodPost, "/oauth2/revoke", s.postRevoke, public},
		{http.MethodPost, "/oauth2/introspect", s.postIntrospect, public},
		{http.MethodGet, "/oauth2/jwks", s.getKeys, public},
		{http.MethodGet, "/.well-known/oauth-authorization-server", s.getIssuer, public},
		{http.MethodGet, "/.well-known/oauth-protected-resource", s.getResource, public},
		{http.MethodGet, "/.well-known/oauth-protected-resource/taxii2", s.getResource, public},

		{http.MethodGet, "/join/:token", s.getJoin, public},
		{http.MethodPost, "/join/:token", s.postJoin, public},
		{http.MethodPost, "/client/secret", s.postSecret, client},
		{http.MethodGet, "/client/identity", s.getIdentity, client},
		{http.MethodPost, "/client/certificate", s.postCertificate, client},

		{http.MethodGet, administration, s.administer, client},
		{http.MethodPost, administration, s.administer, client},
		{http.MethodPut, administration, s.administer, client},
		{http.MethodPatch, administration, s.administer, client},

		{http.MethodGet, "/crl", s.getCRL, public},
		{http.MethodGet, "/healthz", s.getHealth, public},
	}
}

// Route names a route for those who want to hold the table against something.
type Route struct{ Method, Path string }

// Routes lists the table. Every path answers with and without a final slash, never with a redirect:
// clients lose their credentials or their body at one.
func (s *Server) Routes() []Route {
	var list []Route
	for _, r := range s.routes() {
		list = append(list, Route{r.method, r.path})
	}
	return list
}

func (s *Server) router() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.fail
	allowed := map[string][]string{}
	for _, r := range s.routes() {
		methods := []string{r.method}
		if r.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		paths := []string{r.path, r.path + "/"}
		if strings.HasSuffix(r.path, "*") { // which takes both
			paths = paths[:1]
		}
		for _, path := range paths {
			e.Match(methods, path, s.admit(r))
			allowed[path] = append(allowed[path], methods...)
		}
	}
	for path, methods := range allowed {
		methods = append(methods, http.MethodOptions)
		slices.Sort(methods)
		allow := strings.Join(methods, ", ")
		e.OPTIONS(path, func(c echo.Context) error {
			c.Response().Header().Set(echo.HeaderAllow, allow)
			return c.NoContent(http.StatusNoContent)
		})
		// Of a path that is there but not by this method.
		e.RouteNotFound(path, func(c echo.Context) error {
			// RFC 9110 section 15.5.6: "The origin server MUST generate an Allow header field in a 405".
			c.Response().Header().Set(echo.HeaderAllow, allow)
			return echo.ErrMethodNotAllowed
		})
	}
	return e
}
