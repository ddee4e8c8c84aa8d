package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/collections"
)

func restoreCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a gateway of a backup, in a new data directory",
		Long: `Make a gateway of a backup, in a new data directory; one that is there is never touched. It is put
together in DIR.unfinished, and gets its name when the backup's checksums have been verified.

What happened after the backup is lost, and the gateway does not know of it. So that nothing from that
time is taken for something of now, all tokens die (partners get new ones by themselves), invitations
that were open end, and date_added goes on after any that can have been given. A partner, a grant or a secret that was taken away after the
backup is back: take it away again.`,
		Example: `  liaison restore gateway.backup --data ./gateway`,
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := restoreGateway(cmd.Context(), args[0], w.data, newLog(w, slog.LevelWarn)); err != nil {
				return err
			}
			c, err := readConfig(w.data)
			if err != nil {
				return err
			}
			return w.print(struct {
				Data string `json:"data"`
				URL  string `json:"url"`
			}{w.data, c.URL}, "restored %s in %s\nwhat was decided after the backup has to be decided again\ninvitations that were open have ended: whoever has not joined needs a new one\nnext: %s\n",
				c.URL, w.data, w.next("serve"))
		},
	}
}

// restoreAhead is how far beyond the clock a restored gateway's date_added begin: those that the lost
// one gave were up to a second ahead of its clock, and clocks differ.
const restoreAhead = 5 * time.Second

// restoreGateway makes dir of a backup. It appears complete or not at all.
func restoreGateway(ctx context.Context, file, dir string, log *slog.Logger) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("opening the backup: %w", err)
	}
	defer f.Close()
	stage, publish, err := stageDirectory(dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	switch err := unpack(ctx, f, stage); {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("restoring %s: %w", file, ctx.Err())
	case err != nil && writing(err):
		return fmt.Errorf("restoring %s: %w", file, err)
	case err != nil:
		return fmt.Errorf("%s: %w: take another backup", file, err)
	}
	if err := renewTime(ctx, stage, filepath.Base(file), log); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return publish()
}

// renewTime cuts the restored gateway off from what the lost one did after the backup.
func renewTime(ctx context.Context, dir, file string, log *slog.Logger) (err error) {
	g, err := openGateway(ctx, dir, gatewayOptions{Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	if err := g.registry.Apply(ctx, operator().Actor(), collections.Access(auth.RaiseEpochs{})); err != nil {
		return err
	}
	last, err := g.store.Last(ctx)
	if err != nil {
		return err
	}
	now := g.now()
	floor := max(last, collections.AddedAt(now.Add(restoreAhead)))
	return g.store.Raise(ctx, floor, auth.NewLine(now, operator().Actor(), "restore", struct {
		File  string `json:"file"`
		Floor string `json:"floor"` // date_added go on after it
	}{file, floor.String()}))
}
