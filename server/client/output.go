package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// Format is how pulled objects are written.
type Format uint8

// The formats. Lines is one object a line: line breaks between the tokens of an object, where JSON
// allows any white space, become spaces; nothing else of its bytes changes. Envelope is one envelope
// of TAXII 2.1 section 3.7 with each object's bytes as they came.
const (
	Lines Format = iota
	Envelope
)

const (
	fileStart = `{"objects":[`
	fileEnd   = "]}\n"
)

// output is what a pull writes to: a file, or a stream by way of a temporary file, so that half a
// page is never seen there. What is appended counts when it is committed.
type output struct {
	f      *os.File
	w      *bufio.Writer
	format Format
	stream io.Writer // nil for a file

	length  int64 // committed, without an envelope's end
	objects int64 // committed
	pending int64 // bytes appended since
	added   int64 // objects appended since
	ended   bool  // an envelope's end stands behind what is committed
}

// openOutput opens name and cuts it to what the state says was committed; a new file must not be
// there yet.
func openOutput(name string, format Format, length, objects int64) (*output, error) {
	flags := os.O_RDWR
	if length == 0 {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) && length > 0 {
		return nil, fmt.Errorf("%w: %s is gone, and the state beside it says that it has %d bytes: put it back, or name another output with --out and this state with --state", ErrOutput, name, length)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOutput, err)
	}
	o := &output{f: f, w: bufio.NewWriterSize(f, 256<<10), format: format, length: length, objects: objects}
	if err := o.begin(name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return o, nil
}

func (o *output) begin(name string) error {
	if err := lock(o.f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fi, err := o.f.Stat()
	switch {
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%w: %s is no file: use --out - to write to a stream", ErrOutput, name)
	case fi.Size() < o.length:
		return fmt.Errorf("%w: %s has %d bytes and the state beside it says %d: it was changed; move both away to pull from the start", ErrOutput, name, fi.Size(), o.length)
	}
	return nil
}

// openStream makes an output of a stream.
func openStream(w io.Writer, format Format) (*output, error) {
	f, err := os.CreateTemp("", "liaison-pull-*")
	if err != nil {
		return nil, fmt.Errorf("%w: making a temporary file: %w", ErrOutput, err)
	}
	_ = os.Remove(f.Name()) // at once, where the system can: nothing is left after a kill
	return &output{f: f, w: bufio.NewWriterSize(f, 256<<10), format: format, stream: w}, nil
}

// append writes an object behind the others.
func (o *output) append(raw []byte) error {
	if o.ended || o.pending == 0 {
		if err := o.cut(); err != nil {
			return err
		}
	}
	before, after := "", "\n"
	if o.format == Envelope {
		before, after = ",\n", ""
		if o.objects+o.added == 0 {
			before = fileStart + "\n"
		}
	} else if bytes.ContainsAny(raw, "\r\n") {
		// In a JSON text a line break is white space: inside strings it stands escaped.
		raw = slices.Clone(raw)
		for i, c := range raw {
			if c == '\n' || c == '\r' {
				raw[i] = ' '
			}
		}
	}
	for _, b := range [][]byte{[]byte(before), raw, []byte(after)} {
		n, err := o.w.Write(b)
		o.pending += int64(n)
		if err != nil {
			return fmt.Errorf("writing output: %w", err)
		}
	}
	o.added++
	return nil
}

// rollback forgets what was appended and not committed.
func (o *output) rollback() error {
	if o.pending == 0 {
		return nil
	}
	o.pending, o.added = 0, 0
	return o.cut()
}

// cut ends the file behind what is committed and goes there.
func (o *output) cut() error {
	at := o.length
	if o.stream != nil {
		at = 0
	}
	o.w.Reset(o.f)
	o.ended = false
	if err := o.f.Truncate(at); err != nil {
		return fmt.Errorf("writing output: %w", err)
	}
	if _, err := o.f.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("writing output: %w", err)
	}
	return nil
}

// commit makes what was appended count: it is in the file (sync makes it durable), or in the stream.
func (o *output) commit() error {
	if err := o.w.Flush(); err != nil {
		return fmt.Errorf("writing output: %w", err)
	}
	if o.stream != nil && o.pending > 0 {
		if _, err := o.f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("writing output: %w", err)
		}
		if _, err := io.Copy(o.stream, o.f); err != nil {
			return fmt.Errorf("writing output: %w", err)
		}
	}
	o.length += o.pending
	o.objects += o.added
	o.pending, o.added = 0, 0
	return nil
}

func (o *output) sync() error {
	if o.stream != nil {
		return nil
	}
	if err := o.f.Sync(); err != nil {
		return fmt.Errorf("writing output: %w", err)
	}
	return nil
}

// end makes the file whole: what was not committed goes, an envelope gets its end.
func (o *output) end() error {
	if o.ended {
		return nil
	}
	o.pending, o.added = 0, 0
	if err := o.cut(); err != nil {
		return err
	}
	if o.format == Envelope && o.stream == nil {
		text := fileEnd
		if o.objects == 0 {
			text = fileStart + fileEnd
		} else {
			text = "\n" + fileEnd
		}
		if _, err := o.f.WriteString(text); err != nil {
			return fmt.Errorf("writing output: %w", err)
		}
	}
	o.ended = true
	return o.sync()
}

// close gives the file up; a stream's temporary file goes.
func (o *output) close() error {
	err := o.f.Close()
	if o.stream != nil {
		_ = os.Remove(o.f.Name()) // it is gone already, except on Windows
	}
	return err
}
