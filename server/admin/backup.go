package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"liaison/auth"
)

const (
	mediaTar  = "application/x-tar"
	mediaSums = "application/octet-stream"
	maxSums   = 2 << 20 // of a body: of a store of 512 GB
	maxParts  = 1_000_000
)

// Sum is a SHA-256.
type Sum = [sha256.Size]byte

// Had is what a backup that broke off has already. The zero value is nothing.
type Had struct {
	Store string // of which store it is; "" in nothing
	Parts int    // how many entries of the store it has
	Sums  []Sum  // of the store's blocks in order, zero of one that it has not
}

func (a *API) backupRoutes() []route {
	return []route{
		{http.MethodGet, "/backup", nil, a.backup, "A copy of everything, keys included; on the machine only", nil, mediaTar, 0},
		{http.MethodPost, "/backup", []string{"store", "parts"}, a.backupRest,
			"What a backup that broke off has not; the body is the SHA-256 of each of its blocks of 256 KiB, zeros for one that it has not", mediaSums, mediaTar, 0},
	}
}

// backup streams a copy of everything, keys included. That it was asked for stands in the journal
// before the first byte goes out, and so in the backup itself.
func (a *API) backup(r request) (any, error) { return nil, a.sendBackup(r, Had{}) }

// backupRest streams what is not there.
func (a *API) backupRest(r request) (any, error) {
	parts, err := number(r, "parts", 0)
	if err == nil && parts > maxParts {
		err = fmt.Errorf("%w: parameter parts %d: want at most %d", auth.ErrInvalid, parts, maxParts)
	}
	had := Had{Store: r.URL.Query().Get("store"), Parts: int(parts)}
	if err == nil && had.Store == "" {
		err = fmt.Errorf("%w: parameter store is missing: GET gives a whole backup", auth.ErrInvalid)
	}
	if err == nil {
		had.Sums, err = readSums(r)
	}
	if err != nil {
		return nil, err
	}
	return nil, a.sendBackup(r, had)
}

func readSums(r request) ([]Sum, error) {
	control := http.NewResponseController(r.w)
	control.SetReadDeadline(time.Now().Add(bodyTime)) // not all transports have one
	body, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, maxSums*sha256.Size))
	control.SetReadDeadline(time.Time{}) // the act may take longer, and ends when the caller goes
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, fmt.Errorf("%w: at most %d sums", errBody, maxSums)
	} else if err != nil {
		return nil, fmt.Errorf("%w: reading the body: %v", auth.ErrInvalid, err)
	}
	if len(body)%sha256.Size != 0 {
		return nil, fmt.Errorf("%w: body: want sums of %d bytes each, not %d bytes", auth.ErrInvalid, sha256.Size, len(body))
	}
	sums := make([]Sum, 0, len(body)/sha256.Size)
	for b := range slices.Chunk(body, sha256.Size) {
		sums = append(sums, Sum(b))
	}
	return sums, nil
}

func (a *API) sendBackup(r request, had Had) error {
	var what any
	if had.Store != "" {
		what = struct {
			Parts int `json:"parts"` // that were there
		}{had.Parts}
	}
	line := auth.NewLine(a.o.Now(), r.actor, "backup", what)
	if err := a.o.Store.Apply(r.Context(), nil, []auth.Line{line}, nil); err != nil {
		return err
	}
	out := &stream{w: r.w, media: mediaTar}
	if err := a.o.Archive(r.Context(), had, out); err != nil {
		return a.broken(r, out, err)
	}
	return nil
}

// Backup gives a tar of everything that the gateway is, keys included, without what is there already;
// auth.ErrConflict when that is of another gateway, collections.ErrUnavailable when it cannot be had now.
// The caller closes it.
func (c *Client) Backup(ctx context.Context, had Had) (io.ReadCloser, error) {
	if had.Store == "" {
		return c.send(ctx, http.MethodGet, "/backup", nil)
	}
	sums := had.Sums[:min(len(had.Sums), maxSums)] // the others are sent again
	body := make([]byte, 0, len(sums)*sha256.Size)
	for i := range sums {
		body = append(body, sums[i][:]...)
	}
	q := url.Values{"store": {had.Store}, "parts": {strconv.Itoa(had.Parts)}}
	return c.sendBody(ctx, http.MethodPost, "/backup?"+q.Encode(), mediaSums, bytes.NewReader(body))
}
