package main

import "github.com/spf13/cobra"

// partnerCommands are the partner's verbs, on its own machine.
func partnerCommands(w *world) []*cobra.Command { return nil }
