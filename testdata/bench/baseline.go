package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v4"

	"liaison/auth"
	"liaison/certs"
	"liaison/server/client"
	"liaison/server/taxii"
)

// baseline is what publishing and compressing are held against, in a process of its own. It has the
// gateway's echo, TLS configuration, certificates and logins. A publication is read whole, appended to
// one file as it came, and answered with 202 when it is synced: one fdatasync for all that waited, and
// one write for those that are small. A page is compressed on the fly by klauspost's level 1. There is no
// validation, no index, no policy, no journal and no status.
type baseline struct {
	rooms  *rooms
	file   *os.File
	pages  map[string][][]byte
	bodies sync.Pool
	gzips  sync.Pool

	mu    sync.Mutex
	queue []waiting
	wake  chan struct{}
}

// waiting is a body that waits for its group.
type waiting struct {
	body []byte
	done chan error
}

// runBaseline serves until it is told to stop. data is a gateway's directory, which it has for itself;
// file is appended to; www/WHAT/N.json is what GET /page/WHAT/N is answered with.
func runBaseline(data, file, www string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := openRooms(ctx, data)
	if err != nil {
		return err
	}
	defer r.Close()
	b := &baseline{rooms: r, wake: make(chan struct{}, 1)}
	b.bodies.New = func() any { return new([]byte) }
	b.gzips.New = func() any { z, _ := gzip.NewWriterLevel(nil, 1); return z }
	if b.file, err = os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	defer b.file.Close()
	if b.pages, err = readPages(www); err != nil {
		return err
	}
	list, err := certs.LoadServer(filepath.Join(data, "tls"))
	if err != nil {
		return err
	}
	door := certs.NewServer(certs.ServerOptions{
		Certificates: list, Authority: r.authority, Revoked: func(string, certs.Subject) bool { return false },
		NextProtos: []string{"http/1.1"},
	})
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		return err
	}
	s := &http.Server{
		Handler: b.routes(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 60 << 10,
	}
	go b.commits(ctx)
	go func() {
		<-ctx.Done()
		s.Close()
	}()
	fmt.Printf("serving https://%s\n", l.Addr())
	if err := s.Serve(tls.NewListener(l, door.TLSConfig())); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (b *baseline) routes() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.GET("/:root/", func(c echo.Context) error { return b.in(c, func() error { return c.NoContent(http.StatusOK) }) })
	e.POST("/:root/collections/:collection/objects/", func(c echo.Context) error {
		return b.in(c, func() error { return b.publish(c) })
	})
	e.GET("/page/:what/:n", func(c echo.Context) error { return b.in(c, func() error { return b.page(c) }) })
	return e
}

// in identifies the caller as the gateway does.
func (b *baseline) in(c echo.Context, handle func() error) error {
	r := c.Request()
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return err
	}
	_, err = b.rooms.doors.Identify(r.Context(), auth.Presented{
		Authorization: r.Header.Values("Authorization"), APIKey: r.Header.Values("X-API-Key"), Address: host,
	})
	if err != nil {
		return echo.NewHTTPError(http.StatusUnauthorized)
	}
	return handle()
}

func (b *baseline) publish(c echo.Context) error {
	r := c.Request()
	if r.ContentLength < 0 {
		return echo.NewHTTPError(http.StatusLengthRequired)
	}
	room := b.bodies.Get().(*[]byte)
	defer b.bodies.Put(room)
	if int64(cap(*room)) < r.ContentLength {
		*room = make([]byte, r.ContentLength)
	}
	body := (*room)[:r.ContentLength]
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return err
	}
	w := waiting{body, make(chan error, 1)}
	b.mu.Lock()
	b.queue = append(b.queue, w)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	if err := <-w.done; err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentType, taxii.MediaType)
	c.Response().WriteHeader(http.StatusAccepted)
	_, err := io.WriteString(c.Response(), `{"status":"complete"}`)
	return err
}

// commits writes what waits, one group after the other.
func (b *baseline) commits(ctx context.Context) {
	var joined []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		b.mu.Lock()
		group := b.queue
		b.queue = nil
		b.mu.Unlock()
		var err error
		joined = joined[:0]
		for i, w := range group {
			joined = append(joined, w.body...)
			if i+1 < len(group) && len(joined) < 256<<10 {
				continue
			}
			if _, e := b.file.Write(joined); err == nil {
				err = e
			}
			joined = joined[:0]
		}
		if len(group) > 0 && err == nil {
			err = syscall.Fdatasync(int(b.file.Fd()))
		}
		for _, w := range group {
			w.done <- err
		}
	}
}

// page answers with one of the pages, compressed for this answer alone.
func (b *baseline) page(c echo.Context) error {
	pages := b.pages[c.Param("what")]
	n, err := strconv.Atoi(c.Param("n"))
	if err != nil || n < 0 || n >= len(pages) {
		return echo.ErrNotFound
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, taxii.MediaType)
	h.Set(echo.HeaderContentEncoding, "gzip")
	c.Response().WriteHeader(http.StatusOK)
	z := b.gzips.Get().(*gzip.Writer)
	defer b.gzips.Put(z)
	z.Reset(c.Response().Writer)
	if _, err := z.Write(pages[n]); err != nil {
		return err
	}
	return z.Close()
}

// readPages reads www/WHAT/N.json, N from 0; "" has none.
func readPages(www string) (map[string][][]byte, error) {
	pages := map[string][][]byte{}
	names, err := filepath.Glob(filepath.Join(www, "page-*", "*.json"))
	if www == "" || err != nil {
		return pages, err
	}
	for _, name := range names {
		what := filepath.Base(filepath.Dir(name))
		page, err := os.ReadFile(filepath.Join(filepath.Dir(name), strconv.Itoa(len(pages[what]))+".json"))
		if err != nil {
			return nil, err
		}
		pages[what] = append(pages[what], page)
	}
	return pages, nil
}

// baselineProcess is a running baseline.
type baselineProcess struct {
	*process
	account client.Account // who may ask it
	pages   map[string]int // how many it has of each
}

// startBaseline starts one beside a gateway of its own that is not served.
func (b *bench) startBaseline(ctx context.Context, www string) (*baselineProcess, error) {
	if b.idle == nil {
		g, err := b.newGateway(ctx, "nothing", 1)
		if err != nil {
			return nil, err
		}
		b.idle = g
	}
	p, err := start(ctx, "baseline", accepts, b.self, "baseline", b.idle.dir, filepath.Join(b.dir, "appended"), www)
	if err != nil {
		return nil, err
	}
	out := &baselineProcess{p, b.idle.publisher, map[string]int{}}
	pages, err := readPages(www)
	for what, list := range pages {
		out.pages[what] = len(list)
	}
	return out, err
}
