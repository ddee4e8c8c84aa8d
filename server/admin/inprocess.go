package admin

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// inProcess is a transport that calls the handlers directly: the same path with and without a
// gateway that runs. An answer is read while it is written, as over a socket.
type inProcess struct {
	handler http.Handler
	uid     int
}

// RoundTrip returns when the handler begins to answer.
func (t *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	w := &pipeWriter{header: http.Header{}, pipe: pw, status: make(chan int, 1)}
	in := r.Clone(withPeer(r.Context(), t.uid))
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	go func() {
		defer func() {
			var err error
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				err = errors.New("the answer broke off: the reason is in the log")
			default:
				panic(p)
			}
			w.WriteHeader(http.StatusOK)
			pw.CloseWithError(err)
			in.Body.Close()
		}()
		t.handler.ServeHTTP(w, in)
	}()
	select {
	case status := <-w.status:
		return &http.Response{
			Status:     strconv.Itoa(status) + " " + http.StatusText(status),
			StatusCode: status,
			Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: w.sent, Body: pr, ContentLength: -1, Request: r,
		}, nil
	case <-r.Context().Done():
		pr.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
}

// pipeWriter is the response of one request.
type pipeWriter struct {
	header http.Header
	sent   http.Header // header as it was when the answer began
	pipe   *io.PipeWriter
	status chan int
	once   sync.Once
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.sent = w.header.Clone()
		w.status <- status
	})
}

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}
