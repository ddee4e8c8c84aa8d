package main

// pageHead is the page up to the figures.
const pageHead = `# Benchmarks

Made by ` + "`make bench`" + `, of the figures in [benchmarks/results.json](benchmarks/results.json) alone; a test sees that
page and figures agree. ` + "`make bench-large`" + ` adds the cells with 10 million objects. Both need Linux, Go, and nginx and wrk of
Debian's packages, which they install; they work in a directory of their own and leave nothing of it but the figures.
` + "`go run ./testdata/bench -cells NAME`" + ` runs the cells of a name alone and ` + "`-scale 0.1`" + ` a rough tenth; neither
keeps its figures, unless ` + "`-out`" + ` names another place.

## Method

- What is measured is the binary that users run: built, started by its command line (init, operation create, partner create
  and invite, join, serve), spoken to over TLS 1.3 by a client that joined. Everything is on: authentication (HTTP Basic
  with a secret, and the handshake's request for a client certificate), policy, validation, the journal's line for each
  answer, status. Settings are those of init. Only the cells scanner, in-process and writing call the rooms directly.
- Each cell has nine rounds. A round measures every side once, one after the other, and the next round begins with another
  side. A figure is the median of the rounds with the quartiles in brackets. A ratio is of the two sides of the same round, and
  its median is that of the rounds' ratios: it is not the ratio of the medians.
- The load generator shares the machine's cores with the server, so throughput says how much both take together. Server
  CPU is user and system time of /proc/PID/stat over the slice (of all workers of nginx), by answers or objects: what the
  load generator takes is none of it. Page caches are warm.
- Stores are filled over TLS with indicators of 804 bytes, of which every tenth is a newer version of an earlier one, in one
  collection, or in 200. Those of 200 collections that have fewer than 1,000 objects each have no pages of 1,000.

The peers:

- **nginx** serves the very bytes that the gateway answered, as static files: 64 pages from all over the collection, asked for in turn
  on both sides. TLS 1.3 with the cipher that the gateway chooses and with the gateway's own certificate, a worker for each core,
  keep-alive, no access log, open files cached; compressed pages are served as the gateway compressed them (gzip_static).
  There is no authentication, no policy and no journal on that side.
- **gzip on the fly** is a server in Go with the gateway's echo, TLS configuration and logins that compresses the same pages by
  klauspost/compress level 1 for each answer, from memory.
- **append** is the same server, reading each publication whole and appending it to one file: one write for what waits, one
  fdatasync for all of it, then 202. It validates nothing, finds nothing again and keeps no journal.
- **write + fdatasync** is a file beside the store to which the same 800 kB are appended after each commit.

wrk pulls (two threads; one for one connection), a second at a time.
Publishing is done by a client in Go that writes bodies made before on connections opened before. The small stores are fresh
copies for each slice of publishing; the large ones grow by what is published, and before the next side has its turn
it is waited until they have done what they do of it in the background, which publish-after tells.

`

// about says what a cell is.
func about(cell string) string {
	return map[string]string{
		"scanner": "Bodies read by the scanner, alone and with the validation that every object gets, against encoding/json " +
			"splitting them into raw messages. In the process; real bodies where they are at hand.",
		"opening":   "From the start of the process until the gateway accepts.",
		"pull-100":  "Pages of 100 over TLS, HTTP/1.1, not compressed. One connection is reported only.",
		"pull-1000": "Pages of 1,000, likewise.",
		"pull-gzip-100": "Pages of 100 in gzip, put together of pieces that were compressed before. Against nginx with the " +
			"compressed file it is reported only.",
		"pull-gzip-1000": "Pages of 1,000, likewise.",
		"nothing-new":    "`added_after` at the end of a collection: what a client that polls asks most of the time.",
		"match-id":       "`match[id]` of one object, of 1,000 different ones.",
		"memory-pull":    "Anonymous memory (RssAnon, sampled each 10 ms) above that of the gateway two seconds after its start.",
		"memory-publish": "The same while one publication of max_content_length comes, to a gateway that has just begun.",
		"in-process":     "Each call by itself, copied out as a whole; at the desk there are policy and the journal's line too.",
		"writing":        "Bytes written: over TAXII, by the page statistics of the store. Commits: at the desk of one process, each followed by the write of as many bytes to a file.",
		"publish-1":      "Envelopes of one object.",
		"publish-100":    "Envelopes of 100.",
		"publish-1000":   "Envelopes of 1,000.",
		"publish-after":  "What the gateway does in the background after the slices of a round, until it is quiet.",
	}[cell]
}

// reason is why a bar of a cell is missed after work on it.
func reason(cell string) string {
	const fixed = "an answer costs the gateway 110 µs of CPU when there is nothing in it (nothing-new; nginx 17): HTTP in Go, the " +
		"login, the policy, the journal's line"
	const load = "The machine had other work during the run, which syncs and waits of the gateway feel more than an append does."
	return map[string]string{
		"pull-100":  fixed + ". What is above that is no more than nginx takes for the page.",
		"pull-1000": "the throughput is met. Of the 160 to 220 µs of CPU that a page takes more than from nginx, " + fixed + "; where the rest goes is not known.",
		"pull-gzip-100": fixed + ". A sixth of compressing a page of 100 is 33 µs, less than any answer of this server costs; " +
			"nginx takes 22 to hand out the compressed file.",
		"pull-gzip-1000": fixed + ", a third of it.",
		"memory-publish": "the bytes are staged, the facts of 87,308 objects wait for the commit on the heap (60 MB in a profile at the " +
			"peak, in intake.keep and batch.admit), and the collector lets garbage grow beside them.",
		"in-process": "the machine had other work during the run; 8.7 µs were seen in a rough one at 100,000 objects. Not looked into further.",
		"writing": "the kernel's write_bytes is what is measured, and it counts the whole folio of the page cache that a page of 4 KiB " +
			"makes dirty. The lengths of all writes, seen by strace while the store alone took a million objects on the same day and before " +
			"values and validity were read in the background, were 1.86 per byte where write_bytes had 4.0 to 6.5, and the file was 1.16 times " +
			"its data; to measure that here is still to be done. Rough runs of the same day had 1.9 to 2.0 bytes per byte at 100,000 objects and 2.6 at 600,000, and a file " +
			"of 1.17 to 1.27 times its data at 300,000 to 600,000. That commit p99 is met says little: the file beside it waited for " +
			"other work too. A rough run at 300,000 on a quieter machine had 112 ms against 7.2, a ratio of 15.6.",
		"publish-1": "140 to 320 µs of CPU for each publication, in a profile before this run half of it in the commit: status, journal line and " +
			"segment of each one, beside a sync that they share. " + load,
		"publish-100": "14 to 21 µs of CPU an object against 2 of the baseline, which looks at nothing. " + load,
		"publish-1000": "13 to 15 µs of CPU an object against 1.3 of the baseline; it was 9 to 11 on the same day before validity and values " +
			"were read in the background (decision 0085), which may be the reason. In a profile before that, scanning, validating, " +
			"guarding and hashing took 37 % and the commit as much. " + load,
	}[cell]
}
