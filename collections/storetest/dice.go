package storetest

// dice is a small generator of repeatable numbers (splitmix64), so that a failure names the seed that
// shows it again.
type dice struct{ state uint64 }

func newDice(seed uint64) *dice { return &dice{seed} }

func (d *dice) next() uint64 {
	d.state += 0x9E3779B97F4A7C15
	z := d.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// below gives a number from 0 to n-1.
func (d *dice) below(n int) int { return int(d.next() >> 1 % uint64(n)) }

// chance is true one time in n.
func (d *dice) chance(n int) bool { return d.below(n) == 0 }

func pick[T any](d *dice, of ...T) T { return of[d.below(len(of))] }
