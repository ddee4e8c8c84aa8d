package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"liaison/server/admin"
)

func backupCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup of everything, keys included, while the gateway serves",
		Long: `Write a backup of everything, keys included: whoever has it can be this gateway. FILE must not be there;
it appears complete or not at all, mode 0600, and has been read back against its checksums.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is there already: name another file", name)
			}
			var size int64
			err := w.ask(cmd, func(ctx context.Context, c *admin.Client) (err error) {
				size, err = fetchBackup(ctx, c, name)
				return err
			})
			if err != nil {
				return err
			}
			return w.print(struct {
				File  string `json:"file"`
				Bytes int64  `json:"bytes"`
			}{name, size}, "wrote %s, %d bytes; it holds the keys: keep it as safe as the gateway\nto use it: liaison restore %s --data NEWDIR\n", name, size, name)
		},
	}
}

// fetchBackup writes the gateway's backup to name and checks it while it comes in.
func fetchBackup(ctx context.Context, c *admin.Client, name string) (size int64, err error) {
	body, err := c.Backup(ctx)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-") // mode 0600
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	all := io.TeeReader(body, f)
	err = readArchive(all, func(_ string, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("taking the backup: %w", err)
	}
	if _, err := io.Copy(io.Discard, all); err != nil { // the tar's end
		return 0, fmt.Errorf("taking the backup: %w", err)
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s is there already: name another file", name)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return 0, err
	}
	return fi.Size(), errors.Join(f.Close(), syncDirectory(filepath.Dir(name)))
}
