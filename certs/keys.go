package certs

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"
)

// Bounds of RSA keys. NIST SP 800-57 part 1, table 2 for the lower, the cost of verifying for the
// upper.
const (
	minRSA      = 2048
	maxRSA      = 4096
	minExponent = 65537
)

// checkKey refuses public keys that can be broken, or are too odd to trust: RSA 2048 to 4096, P-256,
// P-384 and Ed25519 remain.
func checkKey(pub any) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return checkRSA(k)
	case *ecdsa.PublicKey:
		// That the point is on its curve was checked when the key was parsed.
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return fmt.Errorf("%w: curve %s: use P-256 or P-384", ErrKey, k.Curve.Params().Name)
		}
		return nil
	case ed25519.PublicKey:
		return checkEd25519(k)
	}
	if pub == nil { // what the parser does not know
		return fmt.Errorf("%w: a kind that is not known: use RSA 2048 to 4096, P-256, P-384 or Ed25519", ErrKey)
	}
	return fmt.Errorf("%w: %T: use RSA 2048 to 4096, P-256, P-384 or Ed25519", ErrKey, pub)
}

func checkRSA(k *rsa.PublicKey) error {
	switch n := k.N.BitLen(); {
	case n < minRSA || n > maxRSA:
		return fmt.Errorf("%w: RSA key of %d bits: use %d to %d", ErrKey, n, minRSA, maxRSA)
	case k.E < minExponent || k.E&1 == 0:
		return fmt.Errorf("%w: RSA exponent %d: use %d", ErrKey, k.E, minExponent)
	}
	if p := smallFactor(k.N); p != 0 {
		return fmt.Errorf("%w: RSA modulus divisible by %d: make a new key", ErrKey, p)
	}
	if isROCA(k.N) {
		return fmt.Errorf("%w: RSA key made by a flawed chip (ROCA, CVE-2017-15361): make it with other software", ErrKey)
	}
	if closePrimes(k.N) {
		return fmt.Errorf("%w: RSA modulus made of two close primes: make a new key", ErrKey)
	}
	return nil
}

// smallFactor gives a prime below 2^12 that divides n, or 0.
func smallFactor(n *big.Int) uint {
	m := new(big.Int)
	for _, p := range primesBelow(1 << 12) {
		if m.Mod(n, new(big.Int).SetUint64(uint64(p))).Sign() == 0 {
			return p
		}
	}
	return 0
}

// isROCA recognises the moduli of CVE-2017-15361. The flawed generator made primes of the form
// k·M + (65537^a mod M), M being the product of the first primes; so for each of these primes the
// modulus is a power of 65537, which a random modulus is for all of them once in 2^27. Nemec et al.,
// "The Return of Coppersmith's Attack", section 2.3.
func isROCA(n *big.Int) bool {
	const last = 167 // the last factor of the smallest M in use
	m := new(big.Int)
	for _, p := range primesBelow(last + 1) {
		if p == 2 {
			continue
		}
		r := uint(m.Mod(n, new(big.Int).SetUint64(uint64(p))).Uint64())
		x := uint(1)
		for x != r {
			x = x * (65537 % p) % p
			if x == 1 {
				return false
			}
		}
	}
	return true
}

// closePrimes tries Fermat's method for a hundred rounds: it factors a modulus whose primes share
// about their upper half (CVE-2022-26320).
func closePrimes(n *big.Int) bool {
	const rounds = 100
	a := new(big.Int).Sqrt(n)
	square, root := new(big.Int), new(big.Int)
	for range rounds {
		// The first a with a² >= n is the root of n or one above it.
		if square.Mul(a, a).Cmp(n) >= 0 {
			square.Sub(square, n)
			if root.Sqrt(square); root.Mul(root, root).Cmp(square) == 0 {
				return true
			}
		}
		a.Add(a, big.NewInt(1))
	}
	return false
}

// primesBelow gives all primes under n in order.
func primesBelow(n uint) []uint {
	composite := make([]bool, n)
	var out []uint
	for p := uint(2); p < n; p++ {
		if composite[p] {
			continue
		}
		out = append(out, p)
		for q := p * p; q < n; q += p {
			composite[q] = true
		}
	}
	return out
}

// checkEd25519 refuses the points of small order, for which signatures can be made without a secret.
// The point is moved to Curve25519 (u = (1+y)/(1-y), RFC 7748 section 4.1), where the library's own
// check for such points refuses to agree on a secret with it.
func checkEd25519(k ed25519.PublicKey) error {
	if len(k) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: Ed25519 key of %d bytes", ErrKey, len(k))
	}
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	le := bytes.Clone(k)
	le[31] &= 0x7f // the sign of x
	slices.Reverse(le)
	one, y := big.NewInt(1), new(big.Int).SetBytes(le)
	u := new(big.Int).Sub(one, y)
	if u.Mod(u, p).Sign() == 0 || y.Cmp(p) >= 0 {
		return fmt.Errorf("%w: Ed25519 point of small order or not canonical", ErrKey)
	}
	u.ModInverse(u, p).Mul(u, y.Add(y, one)).Mod(u, p)
	out := u.FillBytes(make([]byte, 32))
	slices.Reverse(out)
	point, err := ecdh.X25519().NewPublicKey(out)
	if err != nil {
		return fmt.Errorf("%w: Ed25519: %w", ErrKey, err)
	}
	// Any scalar would do: what is asked is whether the point has small order.
	scalar, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		return fmt.Errorf("%w: Ed25519: %w", ErrKey, err)
	}
	if _, err := scalar.ECDH(point); err != nil {
		return fmt.Errorf("%w: Ed25519 point of small order", ErrKey)
	}
	return nil
}
