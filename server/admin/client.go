package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"liaison/auth"
	"liaison/collections"
)

// Client is the operator's side of the API: a method for each act. An error of the gateway is an
// *Error, with the same kinds under errors.Is as in the gateway. Safe for concurrent use.
type Client struct {
	http *http.Client
}

// Dial gives a client of the gateway that runs on dir; ErrNoGateway when none answers there.
func Dial(ctx context.Context, dir string) (*Client, error) {
	c, err := dial(ctx, dir)
	if err != nil {
		return nil, err
	}
	c.Close()
	return newClient(&http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dir) },
		DisableCompression: true,
		Proxy:              nil,
	}), nil
}

// InProcess gives a client of an API in this process, for when no gateway runs; the requests come from
// the user uid.
func InProcess(a *API, uid int) *Client { return newClient(&inProcess{a, uid}) }

func newClient(t http.RoundTripper) *Client {
	return &Client{http: &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Health asks whether the gateway answers.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return call[Health](ctx, c, http.MethodGet, "/health", nil)
}

// Operations lists all operations, by slug.
func (c *Client) Operations(ctx context.Context) ([]Operation, error) {
	return all[Operation](ctx, c, "/operations")
}

// Operation gives one operation.
func (c *Client) Operation(ctx context.Context, id auth.OperationID) (Operation, error) {
	return call[Operation](ctx, c, http.MethodGet, path("operations", id), nil)
}

// CreateOperation opens an operation.
func (c *Client) CreateOperation(ctx context.Context, in NewOperation) (Operation, error) {
	return call[Operation](ctx, c, http.MethodPost, "/operations", in)
}

// CloseOperation ends publishing into an operation; reading goes on.
func (c *Client) CloseOperation(ctx context.Context, id auth.OperationID) (Operation, error) {
	return call[Operation](ctx, c, http.MethodPost, path("operations", id, "close"), nil)
}

// Partners lists all partners, removed ones too, by id.
func (c *Client) Partners(ctx context.Context) ([]Partner, error) {
	return all[Partner](ctx, c, "/partners")
}

// Partner gives one partner.
func (c *Client) Partner(ctx context.Context, id auth.PartnerID) (Partner, error) {
	return call[Partner](ctx, c, http.MethodGet, path("partners", id), nil)
}

// CreatePartner adds a partner with its grants.
func (c *Client) CreatePartner(ctx context.Context, in NewPartner) (Partner, error) {
	return call[Partner](ctx, c, http.MethodPost, "/partners", in)
}

// SetPartner changes a partner and its grants.
func (c *Client) SetPartner(ctx context.Context, id auth.PartnerID, in PartnerChange) (Changed, error) {
	return call[Changed](ctx, c, http.MethodPatch, path("partners", id), in)
}

// Grant sets a partner's rights on a collection, named by id or alias; "all" are all.
func (c *Client) Grant(ctx context.Context, id auth.PartnerID, op auth.OperationID, collection string, r auth.Rights) (Changed, error) {
	return call[Changed](ctx, c, http.MethodPut, path("partners", id, "grants", op, collection), r)
}

// SuspendPartner stops a partner at its next request.
func (c *Client) SuspendPartner(ctx context.Context, id auth.PartnerID) (Partner, error) {
	return call[Partner](ctx, c, http.MethodPost, path("partners", id, "suspend"), nil)
}

// ResumePartner lets a suspended partner's secrets and certificates hold again.
func (c *Client) ResumePartner(ctx context.Context, id auth.PartnerID) (Partner, error) {
	return call[Partner](ctx, c, http.MethodPost, path("partners", id, "resume"), nil)
}

// RemovePartner removes a partner for good.
func (c *Client) RemovePartner(ctx context.Context, id auth.PartnerID) (Partner, error) {
	return call[Partner](ctx, c, http.MethodPost, path("partners", id, "remove"), nil)
}

// ResyncPartner makes a partner's clients pull from the start.
func (c *Client) ResyncPartner(ctx context.Context, id auth.PartnerID) (Partner, error) {
	return call[Partner](ctx, c, http.MethodPost, path("partners", id, "resync"), nil)
}

// Invite makes a URL that lets a partner join once.
func (c *Client) Invite(ctx context.Context, id auth.PartnerID, in NewInvitation) (Invitation, error) {
	return call[Invitation](ctx, c, http.MethodPost, path("partners", id, "invitations"), in)
}

// Clients lists the clients of a partner; "" is of all.
func (c *Client) Clients(ctx context.Context, p auth.PartnerID) ([]Holder, error) {
	at := "/clients"
	if p != "" {
		at += "?" + url.Values{"partner": {string(p)}}.Encode()
	}
	return all[Holder](ctx, c, at)
}

// SetClient marks a client of an agency as one that feeds others, or as one that does not.
func (c *Client) SetClient(ctx context.Context, id auth.ClientID, in ClientSetting) (Holder, error) {
	return call[Holder](ctx, c, http.MethodPatch, path("clients", id), in)
}

// Revoke takes credentials of a client away for good.
func (c *Client) Revoke(ctx context.Context, id auth.ClientID, in Revocation) (Holder, error) {
	return call[Holder](ctx, c, http.MethodPost, path("clients", id, "revoke"), in)
}

// RevokePartner revokes all live clients of a partner and gives them.
func (c *Client) RevokePartner(ctx context.Context, id auth.PartnerID) ([]Holder, error) {
	l, err := call[list[Holder]](ctx, c, http.MethodPost, path("partners", id, "clients", "revoke"), nil)
	return l.Items, err
}

// Keys lists the gateway's own keys.
func (c *Client) Keys(ctx context.Context) (Keys, error) {
	return call[Keys](ctx, c, http.MethodGet, "/keys", nil)
}

// RotateKeys begins a rotation of the keys of a kind, SigningKeys or ServerKeys.
func (c *Client) RotateKeys(ctx context.Context, kind string) (Keys, error) {
	return call[Keys](ctx, c, http.MethodPost, "/keys/rotate", KeyRotation{kind})
}

// RevokeKey takes one of the gateway's own keys away at once.
func (c *Client) RevokeKey(ctx context.Context, id string) (Keys, error) {
	return call[Keys](ctx, c, http.MethodPost, path("keys", id, "revoke"), nil)
}

// Journal gives the lines from number from on, at most limit of them (below 0: all), each the hashed
// record and a newline. The caller closes it.
func (c *Client) Journal(ctx context.Context, from, limit int64) (io.ReadCloser, error) {
	q := url.Values{"from": {strconv.FormatInt(from, 10)}}
	if limit >= 0 {
		q.Set("limit", strconv.FormatInt(limit, 10))
	}
	return c.send(ctx, http.MethodGet, "/journal?"+q.Encode(), nil)
}

// VerifyJournal recomputes every hash; ErrJournal names the first line that does not hold.
func (c *Client) VerifyJournal(ctx context.Context) (Verified, error) {
	return call[Verified](ctx, c, http.MethodPost, "/journal/verify", nil)
}

// Store tells what the store takes and what it has written.
func (c *Client) Store(ctx context.Context) (collections.Usage, error) {
	return call[collections.Usage](ctx, c, http.MethodGet, "/store", nil)
}

// CheckStore holds everything that is stored against everything else.
func (c *Client) CheckStore(ctx context.Context) (StoreChecked, error) {
	return call[StoreChecked](ctx, c, http.MethodPost, "/store/check", nil)
}

// CompactStore joins small segments and gives free room back to the disk.
func (c *Client) CompactStore(ctx context.Context) (collections.Compacted, error) {
	return call[collections.Compacted](ctx, c, http.MethodPost, "/store/compact", nil)
}

// path joins segments; one that cannot stand in a path becomes one that names nothing.
func path[T ~string](first string, second T, more ...any) string {
	p := "/" + first + "/" + segment(string(second))
	for _, s := range more {
		p += "/" + segment(fmt.Sprint(s))
	}
	return p
}

func segment(s string) string {
	switch s {
	case "", ".", "..":
		return "-"
	}
	return url.PathEscape(s)
}

func all[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	l, err := call[list[T]](ctx, c, http.MethodGet, path, nil)
	return l.Items, err
}

// call makes a request whose answer is one JSON value.
func call[T any](ctx context.Context, c *Client, method, path string, in any) (out T, err error) {
	body, err := c.send(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	return out, nil
}

// send makes a request and gives the body of its answer, or the *Error in it.
func (c *Client) send(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	if in == nil {
		return c.sendBody(ctx, method, path, "", nil)
	}
	b, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return c.sendBody(ctx, method, path, mediaJSON, bytes.NewReader(b))
}

// sendBody makes a request with a body of any media type, "" for none.
func (c *Client) sendBody(ctx context.Context, method, path, media string, body io.Reader) (io.ReadCloser, error) {
	// The host is in no one's hands: the transport knows where the gateway is.
	r, err := http.NewRequestWithContext(ctx, method, "http://gateway"+Prefix+path, body)
	if err != nil {
		return nil, err
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the URL says nothing to the operator
		}
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	if resp.StatusCode/100 == 2 {
		return whole{resp.Body}, nil
	}
	defer resp.Body.Close()
	e := &Error{}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	if json.Unmarshal(b, e) != nil || e.Kind == "" {
		return nil, fmt.Errorf("asking the gateway: %s: %s", resp.Status, cmp.Or(strings.TrimSpace(string(b)), "no reason given"))
	}
	return nil, e
}

// whole is an answer that says so when it ends before its end.
type whole struct{ io.ReadCloser }

func (w whole) Read(b []byte) (int, error) {
	n, err := w.ReadCloser.Read(b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("the gateway broke its answer off, and its log says why: %w", err)
	}
	return n, err
}
