package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

const (
	stateVersion = 1
	maxState     = maxAccount
)

// State is where a pull stands, as it lies beside the output. It is replaced whole, after the bytes
// that it counts are on disk: what the output holds beyond Length was not finished and comes again.
type State struct {
	Version     int                 `json:"version"`
	APIRoot     string              `json:"api_root"`
	Output      string              `json:"output"`          // an absolute path, or "-"
	Length      int64               `json:"length"`          // bytes of the output, without an envelope's end
	Objects     int64               `json:"objects"`         // in the output
	Since       string              `json:"since,omitempty"` // where collections begin that are not below
	Collections map[string]Position `json:"collections"`     // by id
}

// Position is where a pull stands in one collection.
type Position struct {
	Name  string `json:"name,omitempty"`        // for people
	After string `json:"added_after,omitempty"` // the filter of the pass that goes on
	Next  string `json:"next,omitempty"`        // its cursor; "" between passes
	Last  string `json:"last,omitempty"`        // X-TAXII-Date-Added-Last of the last page that is on disk
	Count int64  `json:"objects"`               // pulled so far
}

// ParseState reads a state; its errors are ErrState.
func ParseState(data []byte) (*State, error) {
	bad := func(what string) (*State, error) {
		return nil, fmt.Errorf("%w: %s: remove the state to pull from the start", ErrState, what)
	}
	var s State
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&s); err != nil {
		return bad(jsonFault(err))
	}
	if d.More() {
		return bad("something follows its end")
	}
	switch {
	case s.Version > stateVersion:
		return nil, fmt.Errorf("%w: it was written by a newer version: pull with that one", ErrState)
	case s.Version != stateVersion:
		return bad("it is no state of a pull")
	case s.Length < 0 || s.Objects < 0 || s.Output == "" || s.APIRoot == "":
		return bad("its members are out of bounds")
	}
	if _, err := addedTime(s.Since); s.Since != "" && err != nil {
		return bad("since is no time")
	}
	for id, p := range s.Collections {
		for _, t := range []string{p.After, p.Last} {
			if _, err := addedTime(t); t != "" && err != nil {
				return bad("collection " + clean(id) + " has a position that is no time")
			}
		}
		if id == "" || p.Count < 0 {
			return bad("a collection's position is out of bounds")
		}
	}
	return &s, nil
}

// loadState reads the state at name; nil when there is none.
func loadState(name string) (*State, error) {
	data, err := readSmall(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	s, err := ParseState(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

func (s *State) save(name string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if len(data) >= maxState {
		return fmt.Errorf("%w: it would have %d bytes: pull fewer collections into one output", ErrState, len(data))
	}
	return replaceFile(name, append(data, '\n'))
}

// addedTime reads a timestamp of TAXII (section 2): UTC with Z; a server's own precision is taken.
func addedTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err == nil && !strings.HasSuffix(text, "Z") {
		err = errors.New("not in UTC")
	}
	return t, err
}

// ParseSince reads a time for people: a day (from its beginning, in UTC) or RFC 3339 in any zone. It
// gives a timestamp of TAXII.
func ParseSince(text string) (string, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.UTC().Year() >= 0 && t.UTC().Year() <= 9999 {
			return t.UTC().Format("2006-01-02T15:04:05.000000Z"), nil
		}
	}
	return "", fmt.Errorf("%q is no time: write 2025-01-31 or 2025-01-31T12:00:00Z", clean(text))
}
