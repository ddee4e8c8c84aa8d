package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"liaison/server/taxii"
)

// DefaultPage is how many objects a page may have unless Puller.Page says otherwise.
const DefaultPage = 5000

// What is committed and not yet in the state is pulled again after a crash, so it is bounded.
const (
	saveEvery = time.Second
	saveBytes = 32 << 20
)

// Puller pulls collections into one output and remembers in a state file how far it came: it may be
// killed at any moment and, run again, goes on without a gap and without a repetition in a file. A
// stream gets whole pages only, the last one again after a kill.
//
// An object that lies in several collections comes once from each.
type Puller struct {
	Client *Client
	Root   Root
	Names  []string // aliases or ids; all readable collections when empty
	Since  string   // of TAXII's form: pull only what was added after it; "" for all
	Page   int      // objects a page at most; DefaultPage when 0

	Output string    // a file's path, or "" for Stream
	Stream io.Writer // when Output is ""
	Format Format
	State  string // the state file's path

	Progress func(objects, bytes int64) // told after each page of what this run has pulled; may be nil

	out      *output
	state    *State
	saved    time.Time // of the state
	savedLen int64
	dirty    bool  // something was committed since
	fresh    bool  // this run made the output and the state
	objects  int64 // pulled by this run
	bytes    int64
}

// Pulled counts what a run has pulled.
type Pulled struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Run pulls what there is and ends; the output is whole then, also after an error.
func (p *Puller) Run(ctx context.Context) (Pulled, error) {
	err := p.open()
	if err == nil {
		err = p.finish(p.round(ctx))
	}
	return Pulled{p.objects, p.bytes}, err
}

// Follow pulls what there is, again and again, until the context ends (no error then), the
// credentials are refused, or the output fails. The output is whole while it waits.
func (p *Puller) Follow(ctx context.Context, every time.Duration) (Pulled, error) {
	err := p.open()
	if err == nil {
		err = p.finish(p.rounds(ctx, every))
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return Pulled{p.objects, p.bytes}, err
}

func (p *Puller) rounds(ctx context.Context, every time.Duration) error {
	for {
		err := p.round(ctx)
		if err != nil && (ctx.Err() != nil || !passing(err)) {
			return err
		}
		if err != nil {
			p.Client.o.Notify(fmt.Sprintf("%v; going on", err))
		}
		if err := p.settle(); err != nil {
			return err
		}
		if err := p.Client.o.Sleep(ctx, every); err != nil {
			return err
		}
	}
}

// passing reports whether an error of a round is no reason to give up following: a collection that
// is gone or closed for now.
func passing(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status != http.StatusUnauthorized || errors.Is(err, ErrNotFound) || errors.Is(err, ErrNotAllowed)
}

// finish makes the output whole and closes it. A run that failed before its first page leaves
// nothing behind.
func (p *Puller) finish(err error) error {
	if err != nil && p.fresh && len(p.state.Collections) == 0 {
		err = errors.Join(err, p.out.close(), os.Remove(p.State))
		if p.Output != "" {
			err = errors.Join(err, os.Remove(p.Output))
		}
		return err
	}
	return errors.Join(err, p.settle(), p.out.close())
}

// settle saves what was committed and makes the output whole.
func (p *Puller) settle() error {
	if err := p.out.end(); err != nil || !p.dirty {
		return err
	}
	return p.save()
}

// open reads the state and opens the output, both or neither.
func (p *Puller) open() error {
	var err error
	if p.state, err = loadState(p.State); err != nil {
		return err
	}
	output := "-"
	if p.Output != "" {
		if output, err = filepath.Abs(p.Output); err != nil {
			return err
		}
	}
	known := p.state != nil
	p.fresh = !known
	if !known {
		p.state = &State{Version: stateVersion, APIRoot: p.Root.URL, Output: output, Since: p.Since}
	}
	if p.state.Collections == nil {
		p.state.Collections = make(map[string]Position)
	}
	s := p.state
	switch {
	case s.APIRoot != p.Root.URL:
		return fmt.Errorf("%w: %s belongs to %s: choose another output, or another --state", ErrState, p.State, clean(s.APIRoot))
	case p.Since != "" && p.Since != s.Since:
		return fmt.Errorf("%w: %s says how far the last pull came, which --since contradicts: leave --since out to go on, or remove the state and its output to start again", ErrState, p.State)
	}
	if s.Output != output {
		if err := p.leave(s); err != nil {
			return err
		}
		s.Output, s.Length, s.Objects = output, 0, 0
		known = false
	}
	if output == "-" {
		if p.out, err = openStream(p.Stream, p.Format); err != nil {
			return err
		}
		return p.begin()
	}
	if !known {
		// What lies there is somebody's: it is never overwritten.
		if fi, err := os.Stat(output); err == nil && fi.Size() > 0 {
			return fmt.Errorf("%w: %s is there already, and no state beside it says how it came: choose another name or move it away", ErrOutput, p.Output)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", ErrOutput, err)
		}
	}
	if p.out, err = openOutput(output, p.Format, s.Length, s.Objects); err != nil {
		return err
	}
	return p.begin()
}

// begin writes the first state, so that an output is never without one.
func (p *Puller) begin() error {
	if err := p.save(); err != nil {
		return errors.Join(err, p.out.close())
	}
	return nil
}

// leave makes an output whole that this state was for and is not any more; one that was moved away
// is left as it is.
func (p *Puller) leave(s *State) error {
	if s.Output == "-" || s.Length == 0 {
		return nil
	}
	if _, err := os.Stat(s.Output); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	old, err := openOutput(s.Output, FormatOf(s.Output), s.Length, s.Objects)
	if err != nil {
		return err
	}
	return errors.Join(old.end(), old.close())
}

// FormatOf gives the format that a file's name asks for.
func FormatOf(name string) Format {
	if filepath.Ext(name) == ".json" {
		return Envelope
	}
	return Lines
}

// round pulls every collection to its present end. A collection that fails does not keep the others
// from being pulled, unless nothing can.
func (p *Puller) round(ctx context.Context) error {
	all, err := p.Client.Collections(ctx, p.Root)
	if err != nil {
		return err
	}
	wanted, err := p.wanted(all)
	if err != nil {
		return err
	}
	var errs []error
	for _, k := range wanted {
		err := p.collection(ctx, k)
		if err != nil && (!passing(err) || ctx.Err() != nil) {
			return errors.Join(append(errs, err)...)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("collection %s: %w", Name(k), err))
		}
	}
	return errors.Join(errs...)
}

// wanted gives the collections to pull; it is an error when one that was named is not to be had.
func (p *Puller) wanted(all []taxii.Collection) ([]taxii.Collection, error) {
	if len(p.Names) == 0 {
		readable := slices.DeleteFunc(slices.Clone(all), func(k taxii.Collection) bool { return !k.CanRead })
		if len(readable) == 0 {
			return nil, fmt.Errorf("%w: the server shows this partner no collection that it may read: ask the operator for a grant", ErrNotFound)
		}
		return readable, nil
	}
	var out []taxii.Collection
	for _, name := range p.Names {
		k, err := Find(all, name)
		if err != nil {
			return nil, err
		}
		if !k.CanRead {
			return nil, fmt.Errorf("%w: collection %s may not be read by this partner", ErrNotAllowed, Name(k))
		}
		if !slices.ContainsFunc(out, func(o taxii.Collection) bool { return o.ID == k.ID }) {
			out = append(out, k)
		}
	}
	return out, nil
}

// commit makes a page count.
func (p *Puller) commit(id string, pos Position) error {
	added, bytes := p.out.added, p.out.pending
	p.dirty = p.dirty || bytes > 0 || p.state.Collections[id] != pos
	if err := p.out.commit(); err != nil {
		return err
	}
	p.state.Collections[id] = pos
	p.objects += added
	p.bytes += bytes
	if p.Progress != nil {
		p.Progress(p.objects, p.bytes)
	}
	if !p.dirty || p.out.stream == nil && p.Client.o.Now().Sub(p.saved) < saveEvery && p.out.length-p.savedLen < saveBytes {
		return nil
	}
	return p.save()
}

// save makes the output durable, then the state that counts it.
func (p *Puller) save() error {
	if err := p.out.sync(); err != nil {
		return err
	}
	next := *p.state
	next.Length, next.Objects = p.out.length, p.out.objects
	if p.out.stream != nil {
		next.Length, next.Objects = 0, 0
	}
	next.Collections = maps.Clone(p.state.Collections)
	if err := next.save(p.State); err != nil {
		return fmt.Errorf("writing state: %w", err)
	}
	p.state, p.saved, p.savedLen, p.dirty = &next, p.Client.o.Now(), next.Length, false
	return nil
}
