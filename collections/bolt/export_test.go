package bolt

import "os"

// WithFile gives options whose database file is opened by open.
func (o Options) WithFile(open func(string, int, os.FileMode) (*os.File, error)) Options {
	o.openFile = open
	return o
}

// WithSegments gives options whose segments have other sizes, in bytes.
func (o Options) WithSegments(full, small int) Options {
	o.sizes = sizes{full, small}
	return o
}
