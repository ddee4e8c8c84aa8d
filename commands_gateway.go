package main

import "github.com/spf13/cobra"

// gatewayCommands are the operator's verbs, on the machine of the gateway.
func gatewayCommands(w *world) []*cobra.Command { return nil }
