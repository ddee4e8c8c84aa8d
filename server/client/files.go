package client

import (
	"errors"
	"os"
	"path/filepath"
)

// replaceFile puts data under name durably: a crash leaves the old file or the new one, and beside it
// perhaps a half one that the next replacement takes away.
func replaceFile(name string, data []byte) error {
	temp := name + ".tmp"
	if err := WriteDurably(temp, data); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, name); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(name))
}

// WriteDurably makes a file, readable by its owner only, whose bytes are on disk on return.
func WriteDurably(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
