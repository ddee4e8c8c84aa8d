package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/certs"
	"liaison/server"
	"liaison/server/admin"
)

const (
	drainTime = 25 * time.Second // that requests have to end after a signal to stop
	maxAhead  = time.Hour        // that the newest date_added may be ahead of the clock
	gcPercent = 50               // of garbage beside what is used: the index in memory alone would allow for its size again

	signingLife = 90 * 24 * time.Hour // of a key that signs tokens, until the next one does
)

func serveCommand(w *world) *cobra.Command {
	var o gatewayOptions
	level := logLevel{slog.LevelInfo}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Run the gateway in the data directory until it is told to stop.

It prints "serving https://HOST:PORT" on standard output when it accepts; logs go to standard error.
SIGTERM and SIGINT stop it: no more connections, 25 seconds for the requests that run, then what was
queued is committed. SIGHUP reads the certificates and the guard's lists again; bad ones are logged and the old ones stay.

Flags win over config.json for this run.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (o.TLSCert == "") != (o.TLSKey == "") {
				return &usageError{errors.New("--tls-cert and --tls-key go together")}
			}
			o.Log = newLog(w, level.Level)
			return runServe(cmd.Context(), w, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "", "address to listen on, HOST:PORT (default: as configured)")
	f.StringVar(&o.Store, "store", "", `store, "bolt:" (default: as configured)`)
	f.StringVar(&o.TLSCert, "tls-cert", "", "certificate chain of another authority, PEM")
	f.StringVar(&o.TLSKey, "tls-key", "", "key of that certificate, PEM")
	f.BoolVar(&o.AcceptClock, "accept-clock", false, "serve although the newest date_added is more than an hour ahead of the clock")
	f.Var(&level, "log-level", "debug, info, warn or error")
	return cmd
}

// logLevel is the value of --log-level.
type logLevel struct{ slog.Level }

func (l *logLevel) Type() string   { return "level" }
func (l *logLevel) String() string { return strings.ToLower(l.Level.String()) }

func (l *logLevel) Set(text string) error {
	for _, v := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(text, v.String()) {
			l.Level = v
			return nil
		}
	}
	return errors.New("want debug, info, warn or error")
}

// newLog writes text, or JSON with --json, to standard error.
func newLog(w *world, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if w.json {
		return slog.New(slog.NewJSONHandler(w.stderr, o))
	}
	return slog.New(slog.NewTextHandler(w.stderr, o))
}

func runServe(ctx context.Context, w *world, o gatewayOptions) (err error) {
	g, err := openGateway(ctx, w.data, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	l, err := g.listen()
	if err != nil {
		return err
	}
	return g.serve(ctx, l, func(url string) {
		w.print(struct {
			Serving string `json:"serving"`
			URL     string `json:"url"`
		}{url, g.config.URL}, "serving %s\n", url)
	})
}

// listen opens the address that the gateway is configured for.
func (g *gateway) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", g.config.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another program: stop it, or choose another address with --listen", g.config.Listen)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s may not be listened on by this user: choose a port above 1023 with --listen", g.config.Listen)
	case err != nil:
		return nil, fmt.Errorf("listening on %s: %w: choose another address with --listen", g.config.Listen, err)
	}
	return l, nil
}

// serve answers on l, and on the operator's socket, until ctx ends; then requests have drainTime to
// end. It closes l. ready, if not nil, is called once with the URL when both accept.
func (g *gateway) serve(ctx context.Context, l net.Listener, ready func(url string)) error {
	defer l.Close()
	if err := g.checkClock(ctx); err != nil {
		return err
	}
	if g.unguarded != nil {
		return g.unguarded
	}
	if err := g.intakes(ctx); err != nil {
		return err
	}
	list, err := g.certificates()
	if err != nil {
		return err
	}
	door := certs.NewServer(certs.ServerOptions{
		Certificates: list,
		Authority:    g.authority,
		Revoked:      g.revoked,
		NextProtos:   []string{"http/1.1"}, // docs/decisions/0003-http-1-1-only.md
		Now:          g.now,
		Log:          g.log,
	})
	front, err := g.front()
	if err != nil {
		return err
	}
	defer front.Close()
	socket, err := admin.Listen(g.dir)
	switch {
	case errors.Is(err, admin.ErrNoSocket):
		g.log.Warn("operator's verbs need the gateway to be stopped", "error", err)
	case err != nil:
		return err
	}
	g.present(list)

	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// Tasks go on while requests end, and end before the last flush.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	for _, t := range g.tasks(front, door) {
		tasks.Go(func() { t.loop(working, g.log) })
	}
	tasks.Go(func() { g.reloads(working, door) })
	defer func() {
		stop()
		tasks.Wait()
		g.flush(front)
	}()

	servers := map[*http.Server]net.Listener{front.HTTP(): tls.NewListener(server.Gather(l), door.TLSConfig())}
	if socket != nil {
		servers[g.admin.Server()] = socket
	}
	if ready != nil {
		ready("https://" + g.address(l))
	}
	return serveAll(ctx, servers)
}

// serveAll runs servers until ctx ends or one of them fails, then lets requests end.
func serveAll(ctx context.Context, servers map[*http.Server]net.Listener) error {
	ended := make(chan error, len(servers))
	for s, l := range servers {
		go func() { ended <- s.Serve(l) }()
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	var all sync.WaitGroup
	for s := range servers {
		all.Go(func() {
			if s.Shutdown(drain) != nil {
				s.Close() // its time is over
			}
		})
	}
	all.Wait()
	return failed
}

// front is the gateway as partners see it.
func (g *gateway) front() (*server.Server, error) {
	return server.New(server.Options{
		URL:         g.url,
		Registry:    g.registry,
		Desk:        g.desk,
		Doors:       g.doors,
		Vault:       g.vault,
		Authority:   g.authority,
		Log:         g.log,
		Now:         g.now,
		Title:       g.config.Title,
		Description: g.config.Description,
		Contact:     g.config.Contact,
		MaxContent:  g.config.MaxContentLength,
		MaxInFlight: g.config.MaxInFlight,
		Admin:       g.admin,

		MaxContentInFlight: g.config.MaxContentFlight,
		RatePerMinute:      g.config.RatePerMinute,
		RateBurst:          g.config.RateBurst,
		Cache:              g.path(cacheName),
		CacheBytes:         g.config.CompressedCache,
	})
}

// address is the public host with the port that is listened on.
func (g *gateway) address(l net.Listener) string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil || port == "443" {
		return g.url.Host
	}
	return net.JoinHostPort(g.url.Hostname(), port)
}

// checkClock refuses a clock that is far behind what the store has given already: objects would get
// times that clients take for the future.
func (g *gateway) checkClock(ctx context.Context) error {
	last, err := g.store.Last(ctx)
	if err != nil {
		return err
	}
	now := g.now()
	ahead := last.Time().Sub(now)
	switch {
	case last == 0 || ahead <= maxAhead:
		return nil
	case g.options.AcceptClock:
		g.log.Warn("the newest date_added is ahead of the clock", "date_added", last, "ahead", ahead)
		return nil
	}
	return fmt.Errorf("the newest date_added is %s, %s ahead of this machine's clock (%s): set the clock right, or serve with --accept-clock",
		last, ahead.Round(time.Second), now.UTC().Format(time.RFC3339))
}

// task is background work: run each time that every has passed, within budget.
type task struct {
	name          string
	every, budget time.Duration
	run           func(ctx context.Context) error
}

// tasks is all background work of the gateway.
func (g *gateway) tasks(front *server.Server, door *certs.Server) []task {
	return []task{
		{"sweep store", time.Second, 10 * time.Second, func(ctx context.Context) error { return g.store.Sweep(ctx, g.now()) }},
		{"join small segments", 2 * time.Second, 10 * time.Second, g.seal},
		{"read what was published", time.Second, 10 * time.Second, g.desk.GleanInBackground},
		{"write what was refused", time.Second, 10 * time.Second, func(ctx context.Context) error { return front.Flush(ctx, g.now()) }},
		{"write what the journal is owed", time.Second, 10 * time.Second, g.admin.Settle},
		{"tend signing keys", time.Minute, 10 * time.Second, g.tendKeys},
		{"tend server keys", time.Hour, 10 * time.Second, g.tendVault},
		{"keep last uses", 5 * time.Minute, 10 * time.Second, func(context.Context) error { return g.saveUses() }},
		{"renew certificates", time.Hour, time.Minute, func(context.Context) error { return g.renew(door) }},
	}
}

// seal joins small segments as long as there are some and the task has time.
func (g *gateway) seal(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = g.store.Seal(ctx); err != nil {
			if ctx.Err() != nil {
				return nil // the rest is for the next time
			}
			return err
		}
	}
	return nil
}

// once runs the task once. A fault of the program ends it and not the gateway, which goes on to serve.
func (t task) once(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return t.run(ctx)
}

// loop runs the task until ctx ends. An error is logged when it begins, not each time.
func (t task) loop(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	failing := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		within, cancel := context.WithTimeout(ctx, t.budget)
		err := t.once(within)
		cancel()
		switch {
		case err == nil || ctx.Err() != nil:
			failing = ""
		case err.Error() != failing:
			failing = err.Error()
			log.Error("background work", "task", t.name, "error", err)
		}
	}
}

// tendKeys rotates the keys that sign tokens.
func (g *gateway) tendKeys(ctx context.Context) error {
	if !g.ring.Due(g.now(), signingLife) {
		return nil
	}
	what := struct {
		Kind string `json:"kind"`
	}{admin.SigningKeys}
	return g.announced(ctx, "keys.rotate", what, func() error {
		_, err := g.ring.Tend(g.now(), signingLife)
		return err
	})
}

// announced changes the files of keys: a line says so first, another one when it failed.
func (g *gateway) announced(ctx context.Context, kind string, what any, change func() error) error {
	line := auth.NewLine(g.now(), auth.Gateway, kind, what)
	if err := g.store.Apply(ctx, nil, []auth.Line{line}, nil); err != nil {
		return err
	}
	err := change()
	if err != nil {
		g.admin.Tell(ctx, auth.NewLine(g.now(), auth.Gateway, "keys.failed", what))
	}
	return err
}

// tendVault lets go of server keys that nothing is kept under any more.
func (g *gateway) tendVault(ctx context.Context) error {
	gone := g.vault.Due(g.registry.State().Access, g.now())
	if len(gone) == 0 {
		return nil
	}
	what := struct {
		Server []string `json:"server"`
	}{gone}
	return g.announced(ctx, "keys.retire", what, func() error {
		_, err := g.vault.Tend(g.registry.State().Access, g.now())
		return err
	})
}

// reloads reads the certificates again at each signal for it.
func (g *gateway) reloads(ctx context.Context, door *certs.Server) {
	ch := make(chan os.Signal, 1)
	notifyReload(ch)
	defer signal.Stop(ch)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ch:
		}
		if err := g.reload(door); err != nil {
			g.log.Error("reading certificates again: the old ones stay", "error", err)
		}
		if err := g.reloadGuards(); err != nil {
			g.log.Error("reading the guard's lists again: the old ones stay", "error", err)
		}
	}
}

// flush writes what has been counted and not yet written.
func (g *gateway) flush(front *server.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	// A minute ahead: what is counted of the minute that runs is written too.
	if err := errors.Join(front.Flush(ctx, g.now().Add(time.Minute)), g.store.Sweep(ctx, g.now()), g.saveUses()); err != nil {
		g.log.Error("writing what was counted", "error", err)
	}
}
