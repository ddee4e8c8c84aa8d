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
	err := WriteDurably(temp, data)
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		_ = os.Remove(temp) // it may not be there
		return err
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
