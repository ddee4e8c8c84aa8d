package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"liaison/server/taxii"
)

// BenchmarkPull measures a page of 1,000 objects over TLS, from one connection.
func BenchmarkPull(b *testing.B) {
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		b.Run(coding, func(b *testing.B) {
			g := open(b)
			var list []string
			for i := range 1000 {
				_, raw := indicator(fmt.Sprintf("%d %s", i, strings.Repeat("x", 500)))
				list = append(list, raw)
			}
			g.publish(g.vendor, "vn", list...)
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, g.url+"/secure/collections/vn/objects/", nil)
			g.ok(err)
			r.SetBasicAuth(string(g.vn.id), g.vn.secret)
			r.Header.Set("Accept", taxii.MediaType)
			r.Header.Set("Accept-Encoding", coding)
			buffer := make([]byte, 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				resp, err := g.client.Do(r)
				g.ok(err)
				n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, buffer)
				g.ok(err)
				resp.Body.Close()
				b.SetBytes(n)
			}
		})
	}
}
