// Command liaison is a gateway for sharing threat intelligence between many parties: vendors publish
// STIX 2.1 into per-country TAXII 2.1 collections, the police agencies of those countries pull them.
//
// This package parses, calls and prints; it is the only place that wires the rooms together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// world is what a verb may touch of the process: its streams, its environment and the global flags.
type world struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string

	data string // --data: the gateway's data directory
	json bool   // --json: machine output

	damaged bool // the verb looks at stores that do not open otherwise
}

// run is the whole program; it returns the exit code: 0, 1 for an error, 2 for wrong usage.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	w := &world{stdin: stdin, stdout: stdout, stderr: stderr, getenv: getenv}
	root := rootCommand(w)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if _, said := errors.AsType[*silent](err); !said {
		fmt.Fprintf(stderr, "liaison: %v\n", err)
	}
	if _, wrong := errors.AsType[*usageError](err); wrong {
		return 2
	}
	return 1
}

// usageError is a command line that cannot be run as it was typed: exit code 2.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// silent ends a verb with exit code 1 after it has already said why.
type silent struct{ error }

func (e *silent) Unwrap() error { return e.error }

// arguments turns a cobra argument rule's errors into usage errors.
func arguments(rule cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := rule(cmd, args); err != nil {
			if name := firstArgument(cmd.Use); len(args) == 0 && name != "" {
				err = fmt.Errorf("%s is missing", name)
			}
			return &usageError{fmt.Errorf("%w; see \"%s --help\"", err, cmd.CommandPath())}
		}
		return nil
	}
}

// firstArgument gives the first argument that a verb's use names, without flags and their values.
func firstArgument(use string) string {
	words := strings.Fields(use)
	for i := 1; i < len(words); i++ {
		if strings.HasPrefix(words[i], "--") {
			i++
			continue
		}
		return strings.Trim(words[i], "…")
	}
	return ""
}

func rootCommand(w *world) *cobra.Command {
	root := &cobra.Command{
		Use:           "liaison",
		Short:         "Share threat intelligence between many parties over TAXII 2.1",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("no verb %q; see \"liaison --help\"", args[0])}
			}
			return nil
		},
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version: version(),
	}
	root.SetVersionTemplate("liaison {{.Version}}\n")
	data := w.getenv("LIAISON_DATA")
	if data == "" {
		data = defaultData
	}
	root.PersistentFlags().StringVar(&w.data, "data", data, "the gateway's data directory (LIAISON_DATA)")
	root.PersistentFlags().BoolVar(&w.json, "json", false, "machine output")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w; see \"%s --help\"", err, cmd.CommandPath())}
	})
	root.AddCommand(gatewayCommands(w)...)
	root.AddCommand(partnerCommands(w)...)
	return root
}

// version tells the builds of this program apart: the module's version or, of one built from a
// checkout, its commit; then what it was built with.
func version() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := b.Main.Version
	if v == "" || v == "(devel)" {
		v = "(devel)"
		for _, s := range b.Settings {
			switch {
			case s.Key == "vcs.revision" && s.Value != "":
				v = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				v += "+changed"
			}
		}
	}
	return v + " " + b.GoVersion + " " + runtime.GOOS + "/" + runtime.GOARCH
}
