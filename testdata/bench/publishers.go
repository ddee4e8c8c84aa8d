package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"liaison/server/client"
	"liaison/server/taxii"
)

// publication is a body that was made before, and where it goes.
type publication struct {
	path  string
	body  []byte
	count int // of objects
}

// publishers are keep-alive connections over TLS with a goroutine each. What is sent is written as it
// is and the answer is read with net/http's own reader: a client costs as little as it can in Go.
type publishers struct {
	list   []*tls.Conn
	read   []*bufio.Reader
	header string
	blind  bool // the baseline does not tell what it took
}

// dial opens the connections and makes a request on each, so that the handshake and the first login
// are not part of what is timed.
func dial(ctx context.Context, url string, a client.Account, connections int) (*publishers, error) {
	host := strings.TrimPrefix(url, "https://")
	p := &publishers{header: " HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: " + basic(a) +
		"\r\nAccept: " + taxii.MediaType + "\r\n"}
	d := tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, // the peers are our own children on the loopback
		NextProtos:         []string{"http/1.1"},
	}}
	for range connections {
		c, err := d.DialContext(ctx, "tcp", host)
		if err != nil {
			p.close()
			return nil, err
		}
		p.list = append(p.list, c.(*tls.Conn))
		p.read = append(p.read, bufio.NewReaderSize(c, 32<<10))
		if _, err := p.get(len(p.list)-1, "/"+operation+"/", ""); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *publishers) close() {
	for _, c := range p.list {
		c.Close()
	}
}

// answer is what came back.
type answer struct {
	header http.Header
	body   []byte
}

func (p *publishers) get(i int, path, coding string) (answer, error) {
	request := "GET " + path + p.header
	if coding != "" {
		request += "Accept-Encoding: " + coding + "\r\n"
	}
	if _, err := io.WriteString(p.list[i], request+"\r\n"); err != nil {
		return answer{}, err
	}
	return p.answer(i, path, http.MethodGet, http.StatusOK)
}

func (p *publishers) answer(i int, path, method string, want int) (answer, error) {
	r, err := http.ReadResponse(p.read[i], &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return answer{}, err
	}
	if r.StatusCode != want {
		return answer{}, fmt.Errorf("%s %s: %s: %.300s", method, path, r.Status, b)
	}
	return answer{r.Header, b}, nil
}

// published is what a slice of publishing took.
type published struct {
	objects int
	bytes   int64 // of the bodies
	took    time.Duration
	each    []time.Duration
}

func (p published) rate() float64 { return float64(p.objects) / p.took.Seconds() }

// publish sends all of list over all connections, each taking the next when it was answered.
func (p *publishers) publish(ctx context.Context, list []publication) (published, error) {
	var next atomic.Int64
	each := make([]time.Duration, len(list))
	errs := make([]error, len(p.list))
	var all sync.WaitGroup
	begin := time.Now()
	for i := range p.list {
		all.Go(func() {
			var head []byte
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(list) {
					return
				}
				t := time.Now()
				if head, errs[i] = p.post(i, head[:0], list[n]); errs[i] != nil {
					return
				}
				each[n] = time.Since(t)
			}
		})
	}
	all.Wait()
	out := published{took: time.Since(begin), each: each}
	for _, l := range list {
		out.objects += l.count
		out.bytes += int64(len(l.body))
	}
	return out, errors.Join(append(errs, ctx.Err())...)
}

// post sends one body and sees that all of it was taken.
func (p *publishers) post(i int, head []byte, l publication) ([]byte, error) {
	head = append(head, "POST "...)
	head = append(head, l.path...)
	head = append(head, p.header...)
	head = append(head, "Content-Type: "+taxii.MediaType+"\r\nContent-Length: "...)
	head = strconv.AppendInt(head, int64(len(l.body)), 10)
	head = append(head, "\r\n\r\n"...)
	first := len(head)
	if len(l.body) < 16<<10 { // one record
		head = append(head, l.body...)
		l.body = nil
	}
	if _, err := p.list[i].Write(head); err != nil {
		return head, err
	}
	if len(l.body) > 0 {
		if _, err := p.list[i].Write(l.body); err != nil {
			return head, err
		}
	}
	a, err := p.answer(i, l.path, http.MethodPost, http.StatusAccepted)
	if err == nil && !p.blind && !bytes.Contains(a.body, fmt.Appendf(nil, `"success_count":%d`, l.count)) {
		err = fmt.Errorf("POST %s of %d objects: %.500s", l.path, l.count, a.body)
	}
	return head[:first], err
}
