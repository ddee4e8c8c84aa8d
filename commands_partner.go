package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"liaison/server/client"
)

// partnerCommands are the partner's verbs, on its own machine.
func partnerCommands(w *world) []*cobra.Command {
	verbs := []*cobra.Command{
		joinCommand(w),
		rotateCommand(w),
		publishCommand(w),
		pullCommand(w),
		expiredCommand(w),
		reportedCommand(w),
		checkCommand(w),
		tokenCommand(w),
	}
	for _, v := range verbs {
		run := v.RunE
		v.RunE = func(cmd *cobra.Command, args []string) error { return advised(run(cmd, args)) }
	}
	return verbs
}

// refusal is the end of a verb whose partner was not let in, with what to do.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

func (r *refusal) Error() string {
	return r.error.Error() + ": this partner was suspended or removed, or its secret ended or was changed elsewhere: ask the operator"
}

// advised says what to do when a partner was not let in, once.
func advised(err error) error {
	if _, said := errors.AsType[*refusal](err); said || !errors.Is(err, client.ErrRefused) {
		return err
	}
	return &refusal{err}
}

// asFlag adds --as, which says whose directory to use.
func asFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "as", "", "the partner's directory, as join made it")
}

// partnerOptions are those of every partner's verb.
func partnerOptions() client.Options { return client.Options{Proxy: http.ProxyFromEnvironment} }

// partnerClient gives a client that speaks as the partner in dir. Each change is made to
// its options.
func partnerClient(dir string, change ...func(*client.Options)) (*client.Client, error) {
	a, err := client.OpenAccount(dir)
	if err != nil {
		return nil, err
	}
	o := partnerOptions()
	if err := a.Open(dir, &o); err != nil {
		return nil, err
	}
	for _, c := range change {
		c(&o)
	}
	return client.New(a, o)
}

// partner is partnerClient for a verb: --as says which, and what is tried again is told.
func (w *world) partner(cmd *cobra.Command, dir string, change ...func(*client.Options)) (*client.Client, error) {
	if err := needs(cmd, "as", dir); err != nil {
		return nil, err
	}
	if a, err := client.OpenAccount(dir); err == nil {
		if name, mode := a.Exposed(dir); name != "" {
			w.notice("warning: " + exposed(name, mode))
		}
	}
	told := func(o *client.Options) { o.Notify = w.notice }
	return partnerClient(dir, append([]func(*client.Options){told}, change...)...)
}

// exposed says that others can open a file with a secret. It is no error: secrets that a cluster mounts
// have such modes.
func exposed(name string, mode fs.FileMode) string {
	return fmt.Sprintf("%s can be opened by others (mode %04o): run \"chmod 600 %[1]s\", and rotate the secret if somebody may have", name, mode)
}

// needs refuses a flag that was left out.
func needs(cmd *cobra.Command, name, value string) error {
	if value == "" {
		return &usageError{fmt.Errorf("--%s is missing; see \"%s --help\"", name, cmd.CommandPath())}
	}
	return nil
}

// notice tells a person of something that is no failure.
func (w *world) notice(line string) { fmt.Fprintf(w.stderr, "liaison: %s\n", line) }

// stopped makes what a signal did to a verb readable.
func stopped(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}

// exists reports whether something has that name.
func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
