package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// stageDirectory makes the directory DIR.unfinished in which a gateway is put together; publish then makes
// it dir, durably. dir must not be there, or be empty. The caller removes the stage when it is done; one
// that was killed before leaves it, with keys in it, and is told of by the next.
func stageDirectory(dir string) (stage string, publish func() error, err error) {
	dir = filepath.Clean(dir)
	switch list, err := os.ReadDir(dir); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil && len(list) == 0:
		if _, e := os.Stat(dir); e == nil {
			return "", nil, fmt.Errorf("%s is there already and is not a directory: name another with --data", dir)
		}
		return "", nil, err
	case len(list) > 0:
		if _, err := os.Stat(filepath.Join(dir, configName)); err == nil {
			return "", nil, fmt.Errorf("a gateway is in %s already: name another directory with --data", dir)
		}
		return "", nil, fmt.Errorf("%s is not empty: name another directory with --data", dir)
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", nil, err
	}
	stage = dir + ".unfinished"
	err = os.Mkdir(stage, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return "", nil, fmt.Errorf("%s is there: it is being made now, or was cut off and holds keys: remove it, and try again", stage)
	case err != nil:
		return "", nil, err
	}
	return stage, func() error {
		if err := syncTree(stage); err != nil {
			return err
		}
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s cannot be replaced: name a directory below it: %w", dir, err)
		}
		if err := os.Rename(stage, dir); err != nil {
			return err
		}
		return syncDirectory(parent)
	}, nil
}

// syncTree makes the names in all directories of a tree last; its files are synced by who wrote them.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDirectory(name)
	})
}

// syncDirectory makes names in a directory last. Windows cannot, and needs not.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// writeFile makes a new file that only its owner can read, durably.
func writeFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// replaceFile puts data in place of a file as a whole; it is the old one or the new one.
func replaceFile(name string, data []byte) error {
	temp := name + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeFile(temp, data); err != nil {
		return err
	}
	if err := os.Rename(temp, name); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(name))
}

// privateFile refuses a key that others than its owner can open. Windows has no such modes.
func privateFile(name string) error {
	fi, err := os.Stat(name)
	if err != nil || runtime.GOOS == "windows" || fi.Mode().Perm()&0o077 == 0 {
		return nil // one that is not there is the reader's to report
	}
	return fmt.Errorf("%s can be opened by others (mode %04o): run \"chmod 600 %[1]s\" first", name, fi.Mode().Perm())
}
