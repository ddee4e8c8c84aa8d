// Package admin is the operator's side of the gateway: the handlers of /admin/v1, through which
// operations, partners, grants, invitations and clients are decided and the journal is read, and the
// client that the operator's verbs use.
//
// It speaks plain HTTP/1.1 with JSON over a unix socket in the data directory (Listen), or within one
// process when no gateway runs (InProcess): there the operating system tells who speaks, not a
// credential. An operator who is not on the machine comes through the listener that partners reach,
// identified by it (Remote). It knows no engine and decides nothing that auth and collections do not
// decide.
package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"liaison/auth"
	"liaison/collections"
)

// Prefix is the path below which all routes are.
const Prefix = "/admin/v1"

// Bounds of what a request may bring.
const (
	maxBody    = 1 << 20            // bytes
	maxHeader  = 64 << 10           // bytes
	headerTime = 10 * time.Second   // to send the header block
	bodyTime   = 30 * time.Second   // to send the rest of the request
	idleTime   = time.Minute        // between requests of a connection
	defaultTTL = 24 * time.Hour     // of an invitation
	maxTTL     = auth.MaxInvitation // likewise
	stallTime  = 5 * time.Minute    // without progress of an answer
)

// Options say what an API administers. All but Now and Log must be set.
type Options struct {
	Registry   *collections.Registry
	Store      collections.Store
	Desk       *collections.Desk                                     // over the same registry and store
	Maintainer collections.Maintainer                                // the store as well
	Owner      int                                                   // user id of the data directory's owner, who may, as may root
	URL        string                                                // the gateway's public URL
	Invitation func(token string) string                             // the URL to give to a partner that is invited
	Archive    func(ctx context.Context, had Had, w io.Writer) error // writes a backup of the whole data directory without what is there
	Ring       *auth.Ring                                            // the keys that sign tokens
	Vault      *auth.Vault                                           // the keys that secrets are kept under
	Uses       *auth.Uses                                            // when credentials were last used; may be nil
	Now        func() time.Time                                      // default time.Now
	Log        *slog.Logger                                          // default slog.DiscardHandler
}

// API serves /admin/v1. Safe for concurrent use.
type API struct {
	o    Options
	mux  *http.ServeMux
	owed owed
}

// New gives the API over a gateway that is open.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = slog.New(auth.Discreet(o.Log.Handler()))
	a := &API{o: o, mux: http.NewServeMux()}
	methods := map[string][]string{}
	for _, r := range a.routes() {
		methods[r.path] = append(methods[r.path], r.method)
		a.mux.Handle(r.method+" "+Prefix+r.path, a.handler(r))
	}
	for path, list := range methods {
		a.mux.Handle(Prefix+path, a.handler(route{act: methodMissing(list)}))
	}
	a.mux.Handle("/", a.handler(route{act: pathMissing}))
	return a
}

// request is what a handler is given: who speaks, and the request.
type request struct {
	*http.Request
	w     http.ResponseWriter
	actor auth.Actor
	p     auth.Principal
}

// created is an answer that tells of something new.
type created struct{ any }

// An act does what a route is for and gives what to answer; nil is an answer that it wrote itself.
type act func(r request) (any, error)

type route struct {
	method, path string
	query        []string // the parameters that it knows
	act          act
	about        string // one line for the description
	in, out      any    // the bodies of request and answer, as zero values; nil: none; a string: that media type
	status       int    // of the answer; 0: 200
}

// routes is the whole of /admin/v1.
func (a *API) routes() []route {
	return append(slices.Concat(a.queueRoutes(), a.guardRoutes(), a.backupRoutes(), a.validityRoutes()), []route{
		{"GET", "/health", nil, a.health, "Whether the gateway answers, and what it holds", nil, Health{}, 0},
		{"GET", "/openapi.json", nil, a.describe, "This description", nil, mediaJSON, 0},

		{"GET", "/operations", nil, a.listOperations, "List the operations", nil, list[Operation]{}, 0},
		{"POST", "/operations", nil, a.createOperation, "Open an operation", NewOperation{}, Operation{}, 201},
		{"GET", "/operations/{operation}", nil, a.showOperation, "Show an operation", nil, Operation{}, 0},
		{"POST", "/operations/{operation}/close", nil, a.closeOperation, "End publishing into an operation", nil, Operation{}, 0},

		{"GET", "/partners", nil, a.listPartners, "List the partners, removed ones too", nil, list[Partner]{}, 0},
		{"POST", "/partners", nil, a.createPartner, "Add a partner with its grants", NewPartner{}, Partner{}, 201},
		{"GET", "/partners/{partner}", nil, a.showPartner, "Show a partner", nil, Partner{}, 0},
		{"PATCH", "/partners/{partner}", nil, a.setPartner, "Change what is given of a partner", PartnerChange{}, Changed{}, 0},
		{"POST", "/partners/{partner}/suspend", nil, a.suspendPartner, "Stop a partner at its next request", nil, Partner{}, 0},
		{"POST", "/partners/{partner}/resume", nil, a.resumePartner, "Let a suspended partner in again", nil, Partner{}, 0},
		{"POST", "/partners/{partner}/remove", nil, a.removePartner, "Remove a partner for good", nil, Partner{}, 0},
		{"POST", "/partners/{partner}/resync", nil, a.resyncPartner, "Make a partner's clients pull from the start", nil, Partner{}, 0},
		{"POST", "/partners/{partner}/invitations", nil, a.invitePartner, "Make a URL with which a partner joins once", NewInvitation{}, Invitation{}, 201},
		{"PUT", "/partners/{partner}/grants/{operation}/{collection}", nil, a.setGrant, "Set a partner's rights on a collection", auth.Rights{}, Changed{}, 0},

		{"GET", "/clients", []string{"partner"}, a.listClients, "List the clients of a partner, or of all", nil, list[Holder]{}, 0},
		{"PATCH", "/clients/{client}", nil, a.setClient, "Mark a client of an agency as one that feeds others, or as one that does not", ClientSetting{}, Holder{}, 0},
		{"POST", "/clients/{client}/revoke", nil, a.revokeClient, "Take credentials of a client away for good", Revocation{}, Holder{}, 0},
		{"POST", "/partners/{partner}/clients/revoke", nil, a.revokeClients, "Revoke all live clients of a partner", nil, list[Holder]{}, 0},

		{"GET", "/keys", nil, a.listKeys, "List the gateway's own keys", nil, Keys{}, 0},
		{"POST", "/keys/rotate", nil, a.rotateKeys, "Begin a rotation of the keys that sign tokens, or of the server keys", KeyRotation{}, Keys{}, 0},
		{"POST", "/keys/{key}/revoke", nil, a.revokeKey, "Take a key away at once, in an emergency", nil, Keys{}, 0},

		{"GET", "/journal", []string{"from", "limit"}, a.listJournal, "Read the journal, a line each", nil, mediaLines, 0},
		{"POST", "/journal/verify", nil, a.verifyJournal, "Recompute every hash of the journal", nil, Verified{}, 0},
		{"GET", "/store", nil, a.showStore, "Say what the store takes and what it has written", nil, collections.Usage{}, 0},
		{"POST", "/store/check", nil, a.checkStore, "Hold everything that is stored against everything else", nil, StoreChecked{}, 0},
		{"POST", "/store/compact", nil, a.compactStore, "Join small segments and give free room back to the disk", nil, collections.Compacted{}, 0},
	}...)
}

// Route is one line of the table of routes.
type Route struct{ Method, Path string }

// Routes lists what there is below Prefix, for those who hold a description against it.
func (a *API) Routes() []Route {
	var out []Route
	for _, r := range a.routes() {
		out = append(out, Route{r.method, r.path})
	}
	return out
}

// ServeHTTP answers a request of the operator.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// handler is what every route has in common: who speaks, parameters by name, one shape of answers.
func (a *API) handler(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		p, err := a.identify(r, rt)
		if err == nil {
			err = knownParameters(r, rt.query)
		}
		var answer any
		if err == nil {
			answer, err = rt.act(request{Request: r, w: w, actor: p.Actor(), p: p})
		}
		if err != nil {
			a.fail(w, r, err)
			return
		}
		switch v := answer.(type) {
		case nil:
		case created:
			writeJSON(w, http.StatusCreated, v.any)
		default:
			writeJSON(w, http.StatusOK, v)
		}
	})
}

// Remote answers a request of an operator or an auditor that somebody else has identified, by more
// than one proof. An auditor has the journal and what stands around it; nobody has a backup.
func (a *API) Remote(w http.ResponseWriter, r *http.Request, p auth.Principal) {
	a.mux.ServeHTTP(w, r.WithContext(withRemote(r.Context(), p)))
}

// remote reports whether a principal that is not on the machine may use the route.
func (rt route) remote(p auth.Principal) bool {
	switch p.Role {
	case auth.Operator:
		return rt.path != "/backup"
	case auth.Auditor:
		return rt.path == "" || slices.Contains([]string{"/health", "/openapi.json", "/journal", "/journal/verify", "/operations/{operation}/exposure"}, rt.path)
	}
	return false
}

// identify admits root and the owner of the data directory, and who comes by Remote.
func (a *API) identify(r *http.Request, rt route) (auth.Principal, error) {
	if p, ok := remote(r.Context()); ok {
		if !rt.remote(p) {
			return p, fmt.Errorf("%w: not for an %s that is not on the machine", auth.ErrDenied, p.Role)
		}
		return p, nil
	}
	uid, ok := peer(r.Context())
	if !ok {
		return auth.Principal{}, fmt.Errorf("%w: the operator's API answers on the gateway's own socket only", auth.ErrUnauthenticated)
	}
	if uid != 0 && uid != a.o.Owner {
		return auth.Principal{}, fmt.Errorf("%w: user %d is neither root nor the owner of the data directory: run the verb as user %d",
			auth.ErrDenied, uid, a.o.Owner)
	}
	return auth.LocalOperator(uid), nil
}

func knownParameters(r *http.Request, known []string) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	for name, values := range q {
		switch {
		case !slices.Contains(known, name):
			return fmt.Errorf("%w: unknown parameter %q", auth.ErrInvalid, name)
		case len(values) > 1:
			return fmt.Errorf("%w: parameter %q is given twice", auth.ErrInvalid, name)
		}
	}
	return nil
}

var (
	errMethod = errors.New("method not allowed")
	errPath   = errors.New("no such path")
)

func methodMissing(methods []string) act {
	slices.Sort(methods)
	allow := strings.Join(methods, ", ")
	return func(r request) (any, error) {
		r.w.Header().Set("Allow", allow)
		return nil, fmt.Errorf("%w: %s takes %s", errMethod, r.URL.Path, allow)
	}
}

func pathMissing(r request) (any, error) {
	return nil, fmt.Errorf("%w: %s", errPath, r.URL.Path)
}

// Server gives the HTTP server for connections of Listen; the caller serves and shuts it down.
func (a *API) Server() *http.Server {
	return &http.Server{
		Handler:           a,
		ConnContext:       withConn,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(a.o.Log.Handler(), slog.LevelWarn),
	}
}

// health tells that the gateway answers, and what it holds.
func (a *API) health(r request) (any, error) {
	last, err := a.o.Store.Last(r.Context())
	if err != nil {
		return nil, err
	}
	st := a.o.Registry.State()
	h := Health{Status: "ok", URL: a.o.URL, Operations: len(st.Operations)}
	for _, p := range st.Access.Partners {
		if p.State != auth.Removed {
			h.Partners++
		}
	}
	if last > 0 {
		h.LastAdded = last.String()
	}
	return h, nil
}

func byID[T any, K cmp.Ordered](list []T, id func(T) K) []T {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	return list
}
