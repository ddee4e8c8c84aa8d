package bolt

import (
	"encoding/hex"
	"math"
	"strings"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// splitID takes TYPE--UUID apart; ok is false for every other form, upper case included, for joinID
// must give back the same text.
func splitID(id stix.ID) (kind string, uuid [16]byte, ok bool) {
	const form = len("00000000-0000-0000-0000-000000000000")
	cut := len(id) - form
	if cut < 2 || id[cut-2:cut] != "--" {
		return "", uuid, false
	}
	u := string(id[cut:])
	if u[8] != '-' || u[13] != '-' || u[18] != '-' || u[23] != '-' {
		return "", uuid, false
	}
	at := 0
	for i := 0; i < form; i += 2 {
		if u[i] == '-' {
			i++
		}
		hi, lo := nibble(u[i]), nibble(u[i+1])
		if hi|lo > 15 {
			return "", uuid, false
		}
		uuid[at] = hi<<4 | lo
		at++
	}
	return string(id[:cut-2]), uuid, true
}

func nibble(c byte) byte { return nibbles[c] }

// nibbles are the values of hexadecimal digits in lower case; 255 for every other character.
var nibbles = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = byte(i)
	}
	return t
}()

func joinID(kind string, u [16]byte) stix.ID {
	b := make([]byte, 0, len(kind)+38)
	b = append(append(b, kind...), "--"...)
	b = hex.AppendEncode(b, u[:4])
	for _, part := range [][]byte{u[4:6], u[6:8], u[8:10], u[10:]} {
		b = hex.AppendEncode(append(b, '-'), part)
	}
	return stix.ID(b)
}

const (
	microsPerSecond = 1_000_000
	fracPerMicro    = 1_000_000_000_000
	farthest        = math.MaxInt64/microsPerSecond - 1
)

// addedVersion is the version of an object that has none of its own. TAXII 2.1 section 3.4.1.
func addedVersion(a collections.Added) collections.Version {
	return collections.Version{Text: a.String(), At: microInstant(int64(a))}
}

func microInstant(us int64) stix.Instant {
	sec, rest := us/microsPerSecond, us%microsPerSecond
	if rest < 0 {
		sec, rest = sec-1, rest+microsPerSecond
	}
	return stix.Instant{Sec: sec, Frac: uint64(rest) * fracPerMicro, Set: true}
}

// microVersion is the version of a µs written with so many digits after the point.
func microVersion(us int64, digits int) collections.Version {
	var buf [40]byte
	return collections.Version{Text: string(appendStamp(buf[:0], us, digits)), At: microInstant(us)}
}

func appendStamp(b []byte, us int64, digits int) []byte {
	b = auth.AppendStamp(b, time.UnixMicro(us))
	if digits > 6 {
		digits = 6
	}
	drop := 6 - digits
	if digits == 0 {
		drop++
	}
	return append(b[:len(b)-drop-1], 'Z')
}

// compactVersion gives a version as µs and number of digits, when that gives back the same text.
func compactVersion(v collections.Version) (us int64, digits byte, ok bool) {
	at := v.At
	if at.Frac%fracPerMicro != 0 || at.Sec < -farthest || at.Sec > farthest {
		return 0, 0, false
	}
	us = at.Sec*microsPerSecond + int64(at.Frac/fracPerMicro)
	d := 0
	if dot := strings.IndexByte(v.Text, '.'); dot >= 0 {
		d = len(v.Text) - dot - 2
		if d < 1 || d > 6 {
			return 0, 0, false
		}
	}
	var buf [40]byte
	if string(appendStamp(buf[:0], us, d)) != v.Text {
		return 0, 0, false
	}
	return us, byte(d), true
}
