package bolt

import "os"

// WithFile gives options whose database file is opened by open.
func (o Options) WithFile(open func(string, int, os.FileMode) (*os.File, error)) Options {
	o.openFile = open
	return o
}
