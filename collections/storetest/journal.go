package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"liaison/auth"
	"liaison/collections"
)

func isNotFound(err error) bool { return errors.Is(err, collections.ErrNotFound) }

// line makes a journal line of what a case did.
func (e *env) line(kind, text string) auth.Line {
	return auth.NewLine(e.clock.now(), "operator_1", kind, map[string]string{"text": text})
}

// journal gives all entries, each in its place.
func (e *env) journal() []collections.Entry {
	e.Helper()
	var list []collections.Entry
	for entry, err := range e.store.Journal(e.ctx, 0) {
		e.check("reading the journal", err)
		if entry.Seq != int64(len(list)) {
			e.Fatalf("entry %d of the journal says that it is entry %d", len(list), entry.Seq)
		}
		list = append(list, entry)
	}
	return list
}

// linesOf gives the lines of one kind.
func (e *env) linesOf(kind string) []auth.Line {
	e.Helper()
	var list []auth.Line
	for _, entry := range e.journal() {
		if entry.Line.Kind == kind {
			list = append(list, entry.Line)
		}
	}
	return list
}

// lines checks which lines of a kind there are that the case made with line.
func (e *env) lines(kind string, texts ...string) {
	e.Helper()
	var got []string
	for _, l := range e.linesOf(kind) {
		var what struct{ Text string }
		e.check("reading a line", json.Unmarshal(l.What, &what))
		got = append(got, what.Text)
	}
	equal(e, "lines of kind "+kind, texts, got)
}

// mentions checks that a line holds these values, under whatever names.
func mentions(e *env, l auth.Line, values ...string) {
	e.Helper()
	held := leavesOf(e, l)
	for _, v := range values {
		if !slices.Contains(held, v) {
			e.Errorf("the line %s does not say %q", l.What, v)
		}
	}
}

// leavesOf gives all values of a line as text.
func leavesOf(e *env, l auth.Line) []string {
	e.Helper()
	var what any
	d := json.NewDecoder(bytes.NewReader(l.What))
	d.UseNumber()
	e.check("reading a line", d.Decode(&what))
	return leaves(what)
}

func leaves(v any) []string {
	var list []string
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			list = append(list, leaves(x)...)
		}
	case []any:
		for _, x := range v {
			list = append(list, leaves(x)...)
		}
	default:
		list = append(list, fmt.Sprint(v))
	}
	return list
}

// last reads what the last line of a kind says.
func (e *env) last(what any, kind string) {
	e.Helper()
	lines := e.linesOf(kind)
	if len(lines) == 0 {
		e.Fatalf("no line of kind %s", kind)
	}
	e.check("reading a line", json.Unmarshal(lines[len(lines)-1].What, what))
}
