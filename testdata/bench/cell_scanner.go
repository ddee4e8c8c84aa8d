package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"liaison/stix"
)

// scannerTimes is how much faster than encoding/json the scanner with all rules has to be.
const scannerTimes = 7

// sharedBodies are real envelopes, if they are there; they are not part of the project.
const sharedBodies = "../shared/data/iocs/ipsum*.json"

// scanner compares reading bodies with the splitting of encoding/json into raw messages.
func (b *bench) scanner(ctx context.Context) error {
	bodies, what, err := scannerBodies()
	if err != nil {
		return err
	}
	s := stix.NewScanner(nil, stix.Limits{})
	var split, alone, checked []float64
	mb := 0.0
	for _, body := range bodies {
		mb += float64(len(body)) / 1e6
	}
	for range b.rounds {
		for _, side := range []struct {
			got *[]float64
			do  func([]byte) error
		}{
			{&split, splitting},
			{&alone, func(body []byte) error { return scanning(s, body, false) }},
			{&checked, func(body []byte) error { return scanning(s, body, true) }},
		} {
			begin := time.Now()
			for range b.sizes.scans {
				for _, body := range bodies {
					if err := errors.Join(side.do(body), ctx.Err()); err != nil {
						return err
					}
				}
			}
			*side.got = append(*side.got, mb*float64(b.sizes.scans)/time.Since(begin).Seconds())
		}
	}
	const peer = "encoding/json"
	b.add(compare("scanner", what+", scanning", "throughput", "MB/s", alone, peer, split, oursByTheirs))
	b.add(compare("scanner", what+", scanning and tier 1", "throughput", "MB/s", checked, peer, split, oursByTheirs).held(scannerTimes, false, 0))
	return nil
}

func scannerBodies() (bodies [][]byte, what string, err error) {
	names, err := filepath.Glob(sharedBodies)
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			return nil, "", err
		}
		bodies = append(bodies, body)
	}
	if len(bodies) > 0 {
		return bodies, "ipsum, " + plural(len(bodies), "file"), nil
	}
	return [][]byte{objects{size: objectSize}.envelope(nil, 0, 3000)}, "3,000 objects of the bench", nil
}

func splitting(body []byte) error {
	var e struct{ Objects []json.RawMessage }
	return json.Unmarshal(body, &e)
}

func scanning(s *stix.Scanner, body []byte, check bool) error {
	s.Reset(bytes.NewReader(body), stix.Limits{})
	for s.Next() {
		if p := s.Problem(); p != nil {
			return fmt.Errorf("an object does not hold: %v", p)
		}
		if check {
			if p, _ := stix.Check(s.Object()); p != nil {
				return fmt.Errorf("an object does not hold: %v", p)
			}
		}
	}
	return s.Err()
}
