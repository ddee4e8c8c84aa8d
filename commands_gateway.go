package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// gatewayCommands are the operator's verbs, on the machine of the gateway.
func gatewayCommands(w *world) []*cobra.Command {
	return []*cobra.Command{
		demoCommand(w),
		initCommand(w),
		serveCommand(w),
		operationCommand(w),
		partnerCommand(w),
		clientCommand(w),
		keyCommand(w),
		queueCommand(w),
		batchCommand(w),
		guardCommand(w),
		journalCommand(w),
		storeCommand(w),
		backupCommand(w),
		restoreCommand(w),
		later("migrate"),
	}
}

// later is a verb of a version to come. It says so, whatever it is given.
func later(name string) *cobra.Command {
	return &cobra.Command{
		Use:                name,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("\"%s\" is not part of this version; see \"%s --help\" for what is", cmd.CommandPath(), cmd.Parent().CommandPath())
		},
	}
}
