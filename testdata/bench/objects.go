package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// objectSize is the size of an object in bytes, the average that vendors' indicators have.
const objectSize = 804

// objects writes indicators that are like those of vendors: nine of ten are new, the tenth is a newer
// version of an earlier one. The same number always gives the same bytes.
type objects struct {
	size int // bytes of each
}

// template is an indicator up to what differs; TLP:GREEN.
const (
	objectHead = `{"type":"indicator","spec_version":"2.1","id":"indicator--`
	objectDate = `","created":"2025-01-06T08:00:00.000Z","modified":"`
	objectName = `","name":"Panel of an infostealer at `
	objectText = `","description":"Seen as gateway of stolen credentials; sample `
	objectTail = `","indicator_types":["malicious-activity"],"pattern_type":"stix","pattern_version":"2.1","valid_from":"2025-01-06T08:00:00Z","confidence":85,"labels":["infostealer","c2"],"kill_chain_phases":[{"kill_chain_name":"lockheed-martin-cyber-kill-chain","phase_name":"command-and-control"}],"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],"pattern":"[domain-name:value = '`
)

// target gives which object the one in position n is a version of, and which version it is.
func target(n int) (object, version int) {
	if n%10 != 9 {
		return n, 1
	}
	k := n / 10
	return k / 2 * 10, 2 + k%2
}

// id of the object that first stood at position n.
func (o objects) id(n int) string {
	h := sha256.Sum256(strconv.AppendInt([]byte("object "), int64(n), 10))
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80
	s := hex.EncodeToString(h[:16])
	return "indicator--" + s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// append writes the object at position n.
func (o objects) append(b []byte, n int) []byte {
	start := len(b)
	object, version := target(n)
	id := o.id(object)
	digest := sha256.Sum256(strconv.AppendInt(nil, int64(n), 16))
	sample := hex.EncodeToString(digest[:])
	host := sample[:16] + "-login.top" // names of documentation are held back by the gateway's guards
	b = append(b, objectHead...)
	b = append(b, id[len("indicator--"):]...)
	b = append(b, objectDate...)
	b = time.Date(2025, 1, 6, 8, version, 0, 0, time.UTC).AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, objectName...)
	b = append(b, host...)
	b = append(b, objectText...)
	b = append(b, sample...)
	tail := len(objectTail) + len(host) + len(`']"}`)
	for len(b)-start+tail < o.size {
		b = append(b, words[(len(b)-start)%len(words)])
	}
	b = append(b, objectTail...)
	b = append(b, host...)
	return append(b, `']"}`...)
}

// words fill a description up to the size.
const words = " and reported by the sensor network to those who take it down"

// envelope writes count objects from position first.
func (o objects) envelope(b []byte, first, count int) []byte {
	b = append(b, `{"objects":[`...)
	for i := range count {
		if i > 0 {
			b = append(b, ',')
		}
		b = o.append(b, first+i)
	}
	return append(b, `]}`...)
}

// maker gives out positions: nobody publishes one twice.
type maker struct {
	objects
	next int
}

// envelopes makes count envelopes of size objects each that were not made before.
func (m *maker) envelopes(count, size int) [][]byte {
	list := make([][]byte, count)
	for i := range list {
		list[i] = m.envelope(make([]byte, 0, size*(m.size+1)+32), m.next, size)
		m.next += size
	}
	return list
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%s %ss", thousands(int64(n)), what)
}
