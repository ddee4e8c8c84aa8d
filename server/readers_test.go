package server_test

import (
	"bytes"
	"encoding/pem"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPiecesAreRead: those who write clients read with these. Some of them stop without a word where a
// member ends, so that an answer must be one.
func TestPiecesAreRead(t *testing.T) {
	g := open(t, cached(t.TempDir()))
	g.filled(rand.New(rand.NewPCG(4, 4)), "vn", 150, 2000)
	const path = "/secure/collections/vn/objects/"
	want := g.get(g.vn, path).want(200).body
	var stitched []byte
	for range 3 { // compressed for one, for all, and before
		stitched = g.get(g.vn, path, header("Accept-Encoding", "gzip")).want(200).body
	}
	dir := t.TempDir()
	file, ca := filepath.Join(dir, "page.gz"), filepath.Join(dir, "ca.pem")
	g.ok(os.WriteFile(file, stitched, 0o600))
	g.ok(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.ca.Root().Raw}), 0o600))
	login := string(g.vn.id) + ":" + g.vn.secret
	for name, c := range map[string][]string{
		"gzip": {"gzip", "-dc", file},
		"node": {"node", "-e", `process.stdout.write(require("zlib").gunzipSync(require("fs").readFileSync(process.argv[1])))`, file},
		"python": {"python3", "-c", `import sys, zlib
d = zlib.decompressobj(wbits=31)
text = d.decompress(open(sys.argv[1], "rb").read()) + d.flush()
assert d.eof and not d.unused_data, "not one member"
sys.stdout.buffer.write(text)`, file},
		"python gzip": {"python3", "-c", `import sys, gzip
sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())`, file},
		"curl": {"curl", "--fail", "--silent", "--show-error", "--compressed", "--cacert", ca, "--user", login, g.url + path},
		"requests": {"python3", "-c", `import sys, requests
a = requests.get(sys.argv[1], verify=sys.argv[2], auth=tuple(sys.argv[3].split(":", 1)), headers={"Accept-Encoding": "gzip"})
assert a.status_code == 200 and a.headers["Content-Encoding"] == "gzip", a.status_code
sys.stdout.buffer.write(a.content)`, g.url + path, ca, login},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var problems bytes.Buffer
			cmd := exec.CommandContext(t.Context(), c[0], c[1:]...)
			cmd.Stderr = &problems
			got, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, problems.Bytes())
			}
			if !bytes.Equal(got, want) {
				t.Errorf("reads %d bytes, want %d", len(got), len(want))
			}
		})
	}
}
