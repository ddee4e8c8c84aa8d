package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"liaison/server/client"
	"liaison/server/taxii"
)

func checkCommand(w *world) *cobra.Command {
	k := &checking{w: w}
	rows := &interopChecking{w: w}
	var all bool
	cmd := &cobra.Command{
		Use:   "check --as DIR",
		Short: "Try every step a client takes and name the mistake",
		Long: `Tries what a TAXII client does, step by step: the files in DIR, DNS, the connection, TLS, the clock,
each kind of credentials, discovery, the api root, the collections, a page of objects. Ends at the
first mistake that matters, with what to do about it and exit code 1. With --collection it also says
whether that is the right way to name a collection to another client.

With --interop it holds the server, which may be any that speaks TAXII 2.1, against the 44 rows of the
TAXII 2.1 interoperability test document. Give several partners with different rights (--as DIR --as
DIR…): one that reads and writes the collection, one that only reads it, one that only writes it, one
that may do neither. It writes to the collection named by --collection alone, only objects of its own
making, and deletes them at the end. Exit code 1 when a mandatory row fails.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "as", strings.Join(rows.as, "")); err != nil {
				return err
			}
			switch {
			case all:
				return rows.run(cmd.Context())
			case len(rows.as) > 1 || rows.rows != nil:
				return &usageError{errors.New("several --as, and --row, go with --interop")}
			}
			k.as, k.collection = rows.as[0], rows.collection
			return k.run(cmd.Context())
		},
	}
	cmd.Flags().StringArrayVar(&rows.as, "as", nil, "the partner's directory, as join made it; several with --interop")
	cmd.Flags().BoolVar(&all, "interop", false, "try the rows of the interoperability test document")
	cmd.Flags().StringVar(&rows.collection, "collection", "", "what another client was told as collection; with --interop: the alias or id of the collection to write to")
	cmd.Flags().StringArrayVar(&rows.rows, "row", nil, "with --interop: only this row, like 3.4.1; may be given several times")
	return cmd
}

// Bounds beyond which check warns.
const (
	clockWarn  = 30 * time.Second // what token checks forgive
	clockFail  = 5 * time.Minute  // what certificates forgive
	expirySoon = 14 * 24 * time.Hour
	dialTime   = 10 * time.Second
)

// checking is one run of the verb.
type checking struct {
	w  *world
	as string

	collection string // to look for; "" for none
	account    client.Account
	tls        *tls.Config
	assertion  *client.AssertionKey // nil for none
	host       string               // HOST:PORT
	proxy      *url.URL
	root       client.Root
	steps      []checkStep
}

// checkStep is one thing that was tried.
type checkStep struct {
	Step   string `json:"step"`
	Result string `json:"result"` // ok, warn or fail
	Detail string `json:"detail"`
}

// warning is a mistake that does not keep a client from working.
type warning struct{ error }

func (k *checking) run(ctx context.Context) error {
	for _, s := range []struct {
		name string
		try  func(context.Context) (string, error)
	}{
		{"files", k.files},
		{"certificate", k.certificate},
		{"dns", k.dns},
		{"connect", k.connect},
		{"tls", k.handshake},
		{"clock", k.clock},
		{"basic", k.basic},
		{"token", k.token},
		{"certificate login", k.certificateLogin},
		{"discovery", k.discovery},
		{"api root", k.apiRoot},
		{"collections", k.collections},
	} {
		detail, err := s.try(ctx)
		step := checkStep{s.name, "ok", detail}
		if err != nil {
			step.Result, step.Detail = "fail", err.Error()
			if _, mild := errors.AsType[*warning](err); mild {
				step.Result = "warn"
			}
		}
		if step.Detail != "" {
			k.say(step)
		}
		if step.Result == "fail" {
			return k.end(&silent{err})
		}
	}
	return k.end(nil)
}

func (k *checking) say(s checkStep) {
	k.steps = append(k.steps, s)
	if !k.w.json {
		fmt.Fprintf(k.w.stdout, "%-4s  %-17s  %s\n", s.Result, s.Step, s.Detail)
	}
}

func (k *checking) end(err error) error {
	if k.w.json {
		return errors.Join(err, k.w.print(map[string]any{"ok": err == nil, "steps": k.steps}, ""))
	}
	return err
}

func warn(format string, args ...any) error { return &warning{fmt.Errorf(format, args...)} }

func (k *checking) files(context.Context) (string, error) {
	var err error
	if k.account, err = client.OpenAccount(k.as); err != nil {
		return "", err
	}
	var o client.Options
	if err = k.account.Open(k.as, &o); err != nil {
		return "", err
	}
	k.tls, k.assertion = o.TLS, o.Assertion
	u, err := url.Parse(cmp.Or(k.account.Discovery, k.account.APIRoot))
	if err != nil {
		return "", err
	}
	k.host = u.Host
	if u.Port() == "" {
		k.host = net.JoinHostPort(u.Hostname(), "443")
	}
	if k.proxy, err = http.ProxyFromEnvironment(&http.Request{URL: u}); err != nil {
		return "", fmt.Errorf("HTTPS_PROXY is no URL: %w", err)
	}
	if name, mode := k.account.Exposed(k.as); name != "" {
		return "", warn("%s", exposed(name, mode))
	}
	return fmt.Sprintf("%s is %s at %s", k.as, cmp.Or(k.account.ClientID, k.account.Partner), cmp.Or(k.account.Gateway, k.host)), nil
}

func (k *checking) certificate(context.Context) (string, error) {
	if len(k.tls.Certificates) == 0 {
		return "", nil
	}
	c, err := x509.ParseCertificate(k.tls.Certificates[0].Certificate[0])
	if err != nil {
		return "", err
	}
	now, end := time.Now(), c.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case now.After(c.NotAfter):
		return "", fmt.Errorf("the certificate in %s ended on %s: ask the operator for a new invitation and join again", k.as, end)
	case now.Before(c.NotBefore):
		return "", fmt.Errorf("the certificate in %s begins on %s: is this machine's clock right?", k.as, c.NotBefore.UTC().Format(time.RFC3339))
	case c.NotAfter.Sub(now) < expirySoon:
		return "", warn("the certificate ends on %s: run \"liaison join --renew %s\" before that", end, k.as)
	}
	return "good until " + end, nil
}

func (k *checking) dns(ctx context.Context) (string, error) {
	host, _, _ := net.SplitHostPort(k.host)
	if k.proxy != nil {
		return fmt.Sprintf("left to the proxy %s (HTTPS_PROXY)", k.proxy.Host), nil
	}
	if net.ParseIP(host) != nil {
		return host + " is an address", nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	list, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", client.Explain(&url.Error{Op: "Get", URL: "https://" + k.host, Err: err})
	}
	return fmt.Sprintf("%s is %s", host, strings.Join(list, ", ")), nil
}

func (k *checking) connect(ctx context.Context) (string, error) {
	if k.proxy != nil {
		return "", nil
	}
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", k.host)
	if err != nil {
		return "", client.Explain(&url.Error{Op: "Get", URL: "https://" + k.host, Err: err})
	}
	return "reached " + conn.RemoteAddr().String(), conn.Close()
}

func (k *checking) handshake(ctx context.Context) (string, error) {
	if k.proxy != nil {
		return "", nil
	}
	conf := k.tls.Clone()
	conf.ServerName, _, _ = net.SplitHostPort(k.host)
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTime}, Config: conf}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", k.host)
	if err != nil {
		return "", client.Explain(&url.Error{Op: "Get", URL: "https://" + k.host, Err: err})
	}
	cs := conn.(*tls.Conn).ConnectionState()
	leaf := cs.PeerCertificates[0]
	if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return "", err
	}
	if left := time.Until(leaf.NotAfter); left < expirySoon {
		return "", warn("the gateway's certificate ends on %s: tell the operator", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%s, certificate good until %s", tls.VersionName(cs.Version), leaf.NotAfter.UTC().Format(time.DateOnly)), nil
}

// client gives a client for the account with other credentials.
func (k *checking) client(change func(*client.Account)) (*client.Client, error) {
	a := k.account
	if change != nil {
		change(&a)
	}
	if a.TokenURL == "" {
		a.AssertionKey = "" // it is for tokens alone
	}
	o := partnerOptions()
	o.TLS, o.Assertion, o.Attempts, o.Idle = k.tls, k.assertion, 1, dialTime
	return client.New(a, o)
}

func (k *checking) clock(ctx context.Context) (string, error) {
	c, err := k.client(nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	there, here, err := c.Clock(ctx)
	if err != nil {
		return "", err
	}
	if there.IsZero() {
		return "", warn("the server does not say what time it is")
	}
	switch off := here.Sub(there); {
	case off.Abs() > clockFail:
		return "", fmt.Errorf("this machine's clock is %s the gateway's (%s): set it, tokens and certificates depend on it", offBy(off), there.UTC().Format(time.RFC3339))
	case off.Abs() > clockWarn:
		return "", warn("this machine's clock is %s the gateway's: set it before tokens fail", offBy(off))
	}
	return "within " + clockWarn.String() + " of the gateway's", nil
}

func offBy(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " behind"
	}
	return d.Round(time.Second).String() + " ahead of"
}

// login asks for what needs credentials, with those of an account.
func (k *checking) login(ctx context.Context, change func(*client.Account)) error {
	c, err := k.client(change)
	if err != nil {
		return err
	}
	defer c.Close()
	if k.account.APIRoot == "" {
		_, err = c.Discover(ctx)
		return err
	}
	_, err = c.APIRoot(ctx, k.account.APIRoot)
	if _, answered := errors.AsType[*client.Error](err); errors.Is(err, client.ErrRefused) || !answered && !errors.Is(err, client.ErrNotTAXII) {
		return err
	}
	return nil // who it is was not the trouble: a later step says what is
}

func (k *checking) basic(ctx context.Context) (string, error) {
	if k.account.ClientSecret == "" {
		return "", nil
	}
	err := k.login(ctx, func(a *client.Account) { a.TokenURL = "" })
	if errors.Is(err, client.ErrRefused) {
		return "", fmt.Errorf("client id and secret are refused: was the secret changed elsewhere, or is the partner suspended? ask the operator (%w)", err)
	}
	return fmt.Sprintf("%s with its secret is let in", k.account.ClientID), err
}

func (k *checking) token(ctx context.Context) (string, error) {
	if k.account.TokenURL == "" {
		return "", nil
	}
	c, err := k.client(nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	t, err := c.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: is token_url in %s right?", err, client.AccountFile)
	}
	if err := k.login(ctx, nil); err != nil {
		return "", fmt.Errorf("the gateway refuses the token that it gave: is its clock or its URL changed? tell the operator (%w)", err)
	}
	by := ""
	if k.assertion != nil {
		by = " for an assertion (private_key_jwt)"
	}
	return fmt.Sprintf("a token of %s is given%s and let in", time.Until(t.Expires).Round(time.Second), by), nil
}

func (k *checking) certificateLogin(ctx context.Context) (string, error) {
	if len(k.tls.Certificates) == 0 {
		return "", nil
	}
	err := k.login(ctx, func(a *client.Account) { a.ClientSecret, a.TokenURL = "", "" })
	if errors.Is(err, client.ErrRefused) && k.account.ClientSecret != "" {
		return "", warn("the certificate alone is not let in (client id and secret are): is it revoked, or does a proxy between open TLS?")
	}
	return "the certificate alone is let in", err
}

func (k *checking) discovery(ctx context.Context) (string, error) {
	if k.account.Discovery == "" {
		return "", nil
	}
	c, err := k.client(nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	d, err := c.Discover(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: is discovery in %s right? it ends in %s", err, client.AccountFile, taxii.DiscoveryPath)
	}
	if len(d.APIRoots) == 0 {
		return "", errors.New("the gateway shows this partner no api root: ask the operator for a grant in an operation")
	}
	return plural(int64(len(d.APIRoots)), "api root") + ": " + strings.Join(d.APIRoots, ", "), nil
}

func (k *checking) apiRoot(ctx context.Context) (string, error) {
	c, err := k.client(nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if k.root, err = c.APIRoot(ctx, ""); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %q takes %s a request", k.root.URL, k.root.Title, byteCount(k.root.MaxContentLength)), nil
}

// collections lists what this partner has, and reads a page of the first that it may read.
func (k *checking) collections(ctx context.Context) (string, error) {
	c, err := k.client(nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	all, err := c.Collections(ctx, k.root)
	if err != nil {
		return "", err
	}
	var reads, writes []string
	var first *taxii.Collection
	for _, v := range all {
		if v.CanRead {
			if first == nil {
				first = &v
			}
			reads = append(reads, client.Name(v))
		}
		if v.CanWrite {
			writes = append(writes, client.Name(v))
		}
	}
	if len(reads)+len(writes) == 0 {
		return "", errors.New("this partner may neither read nor write any collection: ask the operator for a grant")
	}
	k.say(checkStep{"collections", "ok", fmt.Sprintf("reads %s; writes %s", short(reads), short(writes))})
	if first, err = k.named(all, first); err != nil {
		return "", err
	}
	if first == nil {
		k.say(checkStep{"page", "ok", "nothing to read: this partner only publishes"})
		return "", nil
	}
	n, more, err := c.Peek(ctx, k.root, *first, 10)
	if err != nil {
		return "", err
	}
	detail := fmt.Sprintf("%s of %s", plural(int64(n), "object"), client.Name(*first))
	if more {
		detail += ", and there are more"
	}
	k.say(checkStep{"page", "ok", detail})
	return "", nil
}

// named finds the collection that --collection names, as it may have been typed into another client,
// and says what is wrong with it; without the flag it gives first.
func (k *checking) named(all []taxii.Collection, first *taxii.Collection) (*taxii.Collection, error) {
	name := k.collection
	if name == "" {
		return first, nil
	}
	if strings.Contains(name, "/") {
		return nil, fmt.Errorf("collection %q is a path or a URL: a client wants the id alone, like %s", name, all[0].ID)
	}
	for _, c := range all {
		switch {
		case c.Title == name:
			return nil, fmt.Errorf("%q is the title of a collection: clients that ask for an id want %s (OpenCTI's connector and XSOAR choose by title)", name, c.ID)
		case strings.EqualFold(c.ID, name) && c.ID != name:
			return nil, fmt.Errorf("collection id %q: write it in lower case, %s", name, c.ID)
		}
	}
	c, err := client.Find(all, name)
	if err != nil {
		return nil, err
	}
	if !c.CanRead {
		k.say(checkStep{"collection", "warn", client.Name(c) + " is there, and may not be read"})
		return nil, nil
	}
	k.say(checkStep{"collection", "ok", fmt.Sprintf("%s is %s, %q", name, c.ID, c.Title)})
	return &c, nil
}

// short lists names for one line.
func short(names []string) string {
	const most = 12
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
