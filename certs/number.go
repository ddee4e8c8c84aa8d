package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// numberFile is the number of the last revocation list, in decimal, in the authority's directory.
const numberFile = "crl.number"

// NextCRLNumber gives a number for a revocation list that is larger than any that was given before,
// whatever the clock did meanwhile: it is on disk before it is given. "If a CRL issuer generates two
// CRLs … the CRL numbers MUST be monotonically increasing" (RFC 5280 section 5.2.3); a process that is
// killed leaves a gap at most. It is the clock's microseconds when these are ahead, so that an
// authority that was restored from a backup goes on beyond what it gave since.
//
// An authority whose keys are elsewhere has no directory: there the number is kept in memory.
func (a *Authority) NextCRLNumber(now time.Time) (*big.Int, error) {
	a.numbering.Lock()
	defer a.numbering.Unlock()
	last := a.number
	if last == nil {
		var err error
		if last, err = a.readNumber(); err != nil {
			return nil, fmt.Errorf("numbering revocation list: %w", err)
		}
	}
	next := new(big.Int).Add(last, big.NewInt(1))
	if clock := big.NewInt(now.UnixMicro()); clock.Cmp(next) > 0 {
		next = clock
	}
	if a.dir != "" {
		if err := rewrite(a.dir, numberFile, []byte(next.String()+"\n")); err != nil {
			return nil, fmt.Errorf("numbering revocation list: %w", err)
		}
	}
	a.number = next
	return new(big.Int).Set(next), nil
}

func (a *Authority) readNumber() (*big.Int, error) {
	if a.dir == "" {
		return new(big.Int), nil
	}
	name := filepath.Join(a.dir, numberFile)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return new(big.Int), nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 64)
	n, _ := f.Read(b) // an empty file is no number either
	number, ok := new(big.Int).SetString(strings.TrimSuffix(string(b[:n]), "\n"), 10)
	if !ok || number.Sign() <= 0 || number.BitLen() > 20*8-1 {
		return nil, fmt.Errorf("%s: not a number: write one in that is above those of the lists that were published", name)
	}
	return number, nil
}
