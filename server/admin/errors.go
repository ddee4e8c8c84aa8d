package admin

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"liaison/auth"
	"liaison/collections"
)

// Error is the one shape in which the API refuses.
//
//	{"error": "not_found", "description": "not found: partner \"vn\": …"}
type Error struct {
	Kind        string `json:"error"`
	Description string `json:"description"`        // what is wrong and what to do
	ErrorID     string `json:"error_id,omitempty"` // of an internal error: the same as in the gateway's log
}

// Error gives the description.
func (e *Error) Error() string { return e.Description }

// Unwrap gives the kind that the gateway had: errors.Is(err, auth.ErrNotFound) holds on both sides.
func (e *Error) Unwrap() error {
	for _, k := range kinds() {
		if k.name == e.Kind {
			return k.err
		}
	}
	return nil
}

type kind struct {
	err    error
	name   string
	status int
}

// kinds is the one table from errors to the protocol; the first that matches decides.
func kinds() []kind {
	return []kind{
		{errBody, "too_large", http.StatusRequestEntityTooLarge},
		{errMedia, "media_type", http.StatusUnsupportedMediaType},
		{errMethod, "method", http.StatusMethodNotAllowed},
		{errPath, "path", http.StatusNotFound},
		{ErrJournal, "journal", http.StatusConflict},
		{auth.ErrUnauthenticated, "unauthenticated", http.StatusUnauthorized},
		{auth.ErrDenied, "denied", http.StatusForbidden},
		{auth.ErrNotFound, "not_found", http.StatusNotFound},
		{auth.ErrExists, "exists", http.StatusConflict},
		{auth.ErrConflict, "conflict", http.StatusConflict},
		{auth.ErrInvalid, "invalid", http.StatusBadRequest},
		{collections.ErrFull, "full", http.StatusServiceUnavailable},
		{collections.ErrUnavailable, "unavailable", http.StatusServiceUnavailable},
	}
}

const retryAfter = "5" // seconds, for what may pass

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	for _, k := range kinds() {
		if !errors.Is(err, k.err) {
			continue
		}
		if k.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", retryAfter)
			a.o.Log.Warn("operator's request not served", "path", r.URL.Path, "error", err)
		}
		writeJSON(w, k.status, &Error{Kind: k.name, Description: err.Error()})
		return
	}
	if r.Context().Err() != nil {
		return // nobody waits for the answer
	}
	id := strings.ToLower(rand.Text()[:12])
	a.o.Log.Error("operator's request", "method", r.Method, "path", r.URL.Path, "error_id", id, "error", err)
	writeJSON(w, http.StatusInternalServerError, &Error{
		Kind:        "internal",
		Description: fmt.Sprintf("internal error: the log has the reason under error_id %s", id),
		ErrorID:     id,
	})
}
