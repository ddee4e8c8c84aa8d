package collections

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"liaison/auth"
	"liaison/stix"
)

// CreateOperation opens an operation with a collection for each country and an intake.
type CreateOperation struct {
	ID          auth.OperationID // the api root's slug
	Title       string
	Description string
	Countries   []string // ISO 3166-1 alpha-2, at least one, each once, any case
	Strict      bool     // its collections take only what holds against the whole of STIX 2.1's schemas
	Training    bool     // with a training collection, of what is clear, which partners reach without an agreement
}

// CloseOperation ends publishing into an operation; reading goes on.
type CloseOperation struct{ ID auth.OperationID }

var slug = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// reserved are the first path segments that the gateway itself answers.
var reserved = []string{"taxii2", "oauth2", "admin", "join", "healthz", "metrics", "console", "static", "client", "crl", ".well-known"}

func (c CreateOperation) apply(s *State, now time.Time) (auth.Effect, error) {
	if err := c.check(s); err != nil {
		return auth.Effect{}, err
	}
	op := Operation{ID: c.ID, Title: c.Title, Description: c.Description, Created: now}
	s.Operations[op.ID] = op
	effect := auth.Effect{Kind: "operation.create", Records: []auth.Record{row(tableOperation, string(op.ID), op)}}
	made := make(map[string]auth.CollectionID, len(c.Countries))
	for _, code := range c.Countries {
		name, err := CountryName(code)
		if err != nil {
			return auth.Effect{}, fmt.Errorf("countries: %w", err)
		}
		alias := strings.ToLower(code)
		if _, twice := made[alias]; twice {
			return auth.Effect{}, fmt.Errorf("%w: countries: %s is listed twice", ErrInvalid, strings.ToUpper(code))
		}
		col := Collection{
			ID:          auth.CollectionID(uuid.NewString()),
			Operation:   op.ID,
			Alias:       alias,
			Title:       name,
			Description: op.Title + ": what concerns " + name,
			Strict:      c.Strict,
			Created:     now,
		}
		s.Collections[col.ID] = col
		made[alias] = col.ID
		effect.Records = append(effect.Records, row(tableCollection, string(col.ID), col))
	}
	if c.Training {
		col := Collection{
			ID:          auth.CollectionID(uuid.NewString()),
			Operation:   op.ID,
			Alias:       TrainingAlias,
			Title:       "Training",
			Description: op.Title + ": for trying out, TLP:CLEAR only",
			Ceiling:     stix.Clear,
			Strict:      c.Strict,
			Training:    true,
			Created:     now,
		}
		s.Collections[col.ID] = col
		made[col.Alias] = col.ID
		effect.Records = append(effect.Records, row(tableCollection, string(col.ID), col))
	}
	in := newIntake(op, c.Strict, now)
	s.Collections[in.ID] = in
	made[in.Alias] = in.ID
	effect.Records = append(effect.Records, row(tableCollection, string(in.ID), in))
	effect.What = struct {
		Slug        auth.OperationID             `json:"slug"`
		Title       string                       `json:"title"`
		Collections map[string]auth.CollectionID `json:"collections"`
	}{op.ID, op.Title, made}
	return effect, nil
}

func (c CreateOperation) check(s *State) error {
	switch {
	case !slug.MatchString(string(c.ID)):
		return fmt.Errorf("%w: slug %q: want 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit", ErrInvalid, c.ID)
	case slices.Contains(reserved, string(c.ID)):
		return fmt.Errorf("%w: slug %q: the gateway uses this path itself; choose another", ErrInvalid, c.ID)
	case len(c.Countries) == 0:
		return fmt.Errorf("%w: countries: want at least one ISO 3166-1 code, like VN", ErrInvalid)
	}
	if _, ok := s.Operations[c.ID]; ok {
		return fmt.Errorf("%w: operation %s", auth.ErrExists, c.ID)
	}
	if err := checkText("title", c.Title, 1, 200); err != nil {
		return err
	}
	return checkText("description", c.Description, 0, 2000)
}

// checkText bounds a text that people read: lower to upper characters, no control characters.
func checkText(field, s string, lower, upper int) error {
	n := utf8.RuneCountInString(s)
	switch {
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: %s: not UTF-8", ErrInvalid, field)
	case n < lower || n > upper:
		return fmt.Errorf("%w: %s: want %d to %d characters, have %d", ErrInvalid, field, lower, upper, n)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%w: %s: control characters are not allowed", ErrInvalid, field)
	}
	return nil
}

func (c CloseOperation) apply(s *State, now time.Time) (auth.Effect, error) {
	op, ok := s.Operations[c.ID]
	if !ok {
		return auth.Effect{}, fmt.Errorf("%w: operation %s", ErrNotFound, c.ID)
	}
	if op.Closed {
		return auth.Effect{}, fmt.Errorf("%w: operation %s is closed already", auth.ErrConflict, c.ID)
	}
	op.Closed = true
	s.Operations[c.ID] = op
	return auth.Effect{
		Kind:    "operation.close",
		Records: []auth.Record{row(tableOperation, string(op.ID), op)},
		What: struct {
			Slug auth.OperationID `json:"slug"`
		}{op.ID},
	}, nil
}

// resynced remembers that a stream of a client has gone through a partner's resync in a collection.
type resynced struct {
	client     auth.ClientID
	collection auth.CollectionID
	stream     string
	resync     time.Time
}

func resyncKey(client auth.ClientID, c auth.CollectionID) string {
	return string(client) + "/" + string(c)
}

func (c resynced) apply(s *State, _ time.Time) (auth.Effect, error) {
	s.resynced[c.stream] = c.resync
	return auth.Effect{
		Kind:    "client.resynced",
		Records: []auth.Record{row(tableResynced, c.stream, c.resync)},
		What: struct {
			Client     auth.ClientID     `json:"client"`
			Collection auth.CollectionID `json:"collection"`
		}{c.client, c.collection},
	}, nil
}
