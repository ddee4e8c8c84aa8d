package main

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/collections/bolt"
	"liaison/server/admin"
)

func backupCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup of everything, keys included, while the gateway serves",
		Long: `Write a backup of everything, keys included: whoever has it can be this gateway. FILE must not be there;
it appears complete or not at all, mode 0600, and has been read back against its checksums.

Until then it is called FILE.partial. When it breaks off, the same command goes on with what is there, and
takes only what was changed meanwhile or is missing. A slow disk holds nobody up: publishers and readers
of the gateway do not wait for it.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			var size int64
			err := w.ask(cmd, func(ctx context.Context, c *admin.Client) (err error) {
				bar := newProgress(w, "backing up", -1)
				defer bar.clear()
				size, err = fetchBackup(ctx, name, backupSource{
					take:  c.Backup,
					moved: bar.add,
					going: func(n int64) {
						bar.line(w.stderr, "going on with %s, in which %s are there", partialName(name), byteCount(n))
					},
				})
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

// backupSource is where a backup comes from, and who is told of it.
type backupSource struct {
	take  func(context.Context, admin.Had) (io.ReadCloser, error)
	moved func(bytes int64)
	going func(bytes int64) // it goes on with so many
}

// fetchBackup writes the gateway's backup to name, or what is missing of one that broke off.
func fetchBackup(ctx context.Context, name string, from backupSource) (size int64, err error) {
	if err := absent(name); err != nil {
		return 0, err
	}
	f, err := openPartial(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	p, err := readPartial(ctx, f)
	if err == nil && p.parts > 0 {
		from.going(p.end)
	}
	if err == nil {
		err = p.fetch(ctx, f, from)
	}
	if err == nil {
		size, err = verifyBackup(ctx, f)
	}
	if err == nil {
		err = absent(name)
	}
	if err == nil {
		err = renameLocked(f, name)
	}
	if err != nil {
		return 0, p.kept(f, name, err)
	}
	return size, syncDirectory(filepath.Dir(name))
}

func absent(name string) error {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: name another file", name)
	}
	return nil
}

// fetch takes what is missing, and ends f with the sums of everything.
func (p *partial) fetch(ctx context.Context, f *os.File, from backupSource) error {
	body, err := from.take(ctx, p.had())
	if err != nil {
		return err
	}
	defer body.Close()
	// What fills the last block is written anew.
	if err := errors.Join(f.Truncate(p.body), f.Truncate(p.end)); err != nil {
		return err
	}
	if _, err := f.Seek(p.end, io.SeekStart); err != nil {
		return err
	}
	a := &archiver{tar: tar.NewWriter(f), now: time.Now}
	a.sums.Write(p.sums)
	begun := p.store != ""
	err = readArchive(patient{ctx, body}, p.parts, func(name string, size int64, r io.Reader) error {
		if name == aboutName && begun {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		if err := a.copy(name, size, r); err != nil {
			return err
		}
		if isPart(name) {
			p.parts++
		}
		from.moved(size)
		return nil
	})
	if err = cmp.Or(ctx.Err(), err); err != nil {
		return fmt.Errorf("taking the backup: %w", err)
	}
	return errors.Join(a.close(), f.Sync())
}

// verifyBackup reads a backup back against its sums.
func verifyBackup(ctx context.Context, f *os.File) (size int64, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	end := int64(-1)
	err = readArchive(patient{ctx, f}, 0, func(name string, _ int64, r io.Reader) (err error) {
		if isPart(name) {
			end, err = bolt.ReadCopy(r, func(int64, []byte) error { return nil })
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return err
	})
	if err == nil && end < 0 {
		err = errNoEnd
	}
	if err = cmp.Or(ctx.Err(), err); err != nil {
		return 0, fmt.Errorf("reading the backup back: %w", err)
	}
	return f.Seek(0, io.SeekCurrent)
}

// kept says what is left of a backup that broke off. Without a part of the store nothing is.
func (p *partial) kept(f *os.File, name string, err error) error {
	if errors.Is(err, auth.ErrConflict) {
		return fmt.Errorf("%s is there, and is of another gateway: name another file, or remove it", f.Name())
	}
	if p.parts == 0 {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return fmt.Errorf("%w: what has come is kept in %s, mode 0600: \"liaison backup %s\" goes on with it, or remove it", err, f.Name(), name)
}
