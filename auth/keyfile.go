package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const maxKeyFile = 1 << 20 // bytes

// readKeyFile reads DIR/NAME into v. It refuses what others than its owner can read, unknown
// members, and anything after the value.
func readKeyFile(dir, name string, v any) error {
	path := filepath.Join(dir, name)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: no %s: bring it back from a backup", ErrNotFound, path)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return err
	}
	if !i.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", path)
	}
	// Windows keeps no such bits; there the directory's access list protects the file.
	if m := i.Mode().Perm(); m&0o077 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("%s: others can read or write it (mode %04o): run \"chmod 600 %s\", and replace the keys in it if somebody may have", path, m, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return err
	}
	if len(b) > maxKeyFile {
		return fmt.Errorf("%s: larger than %d bytes", path, maxKeyFile)
	}
	if err := decodeStrict(b, v); err != nil {
		return fmt.Errorf("reading %s: %w: bring it back from a backup", path, err)
	}
	return nil
}

// createKeyFile writes DIR/NAME, which must not be there; it makes DIR if need be.
func createKeyFile(dir, name string, v any) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	switch _, err := os.Lstat(filepath.Join(dir, name)); {
	case err == nil:
		return fmt.Errorf("%w: %s: it holds keys, so it is never written over", ErrExists, filepath.Join(dir, name))
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return writeKeyFile(dir, name, v)
}

// writeKeyFile replaces DIR/NAME as a whole and durably: after a crash it is the old one or the new.
func writeKeyFile(dir, name string, v any) (err error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	temp := name + ".tmp"
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // a crash left it
		return err
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			root.Remove(temp)
		}
	}()
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = root.Rename(temp, name); err != nil {
		return err
	}
	return syncDir(root)
}

// syncDir makes the rename last. Windows cannot sync a directory and renames in its own journal.
func syncDir(root *os.Root) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
