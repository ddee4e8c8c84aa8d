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
	return map[string]string{
		"pull-100": "a page of 100 takes the gateway 25 to 50 µs of CPU more than nginx. Go's HTTP server that sends a constant body of " +
			"the size, over the same TLS, took as much as nginx in a measurement beside it (97 µs and 99): under this bar there is room for 10 µs, and the " +
			"login, the policy, finding the page, and the journal's line that is written before the first byte take more.",
		"pull-gzip-100": "a sixth of compressing a page of 100 is 27 µs. That is what Go's HTTP server takes for an answer with nothing in it; " +
			"the gateway's costs three times as much, nginx's with the compressed file as it is 22.",
		"pull-gzip-1000": "met at 10,000 objects; at a million a page takes 30 to 40 µs more, which was not looked into further.",
		"in-process":     "the bar is of a million objects, where it is met; at 10 million the id index is as much larger, and more of it is not in a cache.",
		"writing": "segments take 1.019 of the objects' bytes, facts 0.066, the id index 0.058, values and validity 0.026, in a store of 300,000 " +
			"that was looked at bucket by bucket: 1.18 in all. A larger file has the journal of what was pulled before it was looked at. At 10 million, for which there is no bar, " +
			"a merge of the id index rewrites ten times the old rows for as many new ones. Commits wait for a sync of their pages and " +
			"one of the meta page, where the file beside them has one; the p99 hangs on single ones among them.",
		"publish-1": "HTTP, TLS and login are the same on both sides and all that append does. In a profile a half of what comes to it is the commit " +
			"(the status, the journal's line and its hashes, the segment, the id index; some 26 publications share one), a third reading, validating and guarding. " +
			"In 200 collections nearly every publication of a group has a newest segment of its own, which is written again.",
		"publish-100": "10 µs of CPU an object against 2 of append, which looks at nothing, with both cores busy. In 200 collections " +
			"each publication continues another segment.",
		"publish-1000": "9 to 10 µs of CPU an object against 1.7 of append, which looks at nothing.",
	}[cell]
}
