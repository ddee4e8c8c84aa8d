package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
	"liaison/server/client"
	"liaison/server/taxii"
)

// asking is one run of a verb that both sides have: a partner with --as, the operator without.
type asking struct {
	w       *world
	as, op  string
	names   []string
	since   string
	apiRoot string
}

func (a *asking) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.as, "as", "", "ask as the partner in this directory (default: as the operator)")
	ofOperation(a.w, cmd, &a.op)
	cmd.Flags().StringVar(&a.apiRoot, "api-root", "", "with --as: the api root, by URL or by the last step of its path (default: partner.json's)")
}

// asPartner runs an act with the partner's client.
func (a *asking) asPartner(cmd *cobra.Command, act func(context.Context, *client.Client, client.Root) error) error {
	c, err := a.w.partner(cmd, a.as)
	if err != nil {
		return err
	}
	defer c.Close()
	root, err := c.APIRoot(cmd.Context(), a.apiRoot)
	if err != nil {
		return err
	}
	return act(cmd.Context(), c, root)
}

// readable gives the collections that were named, or all that the partner reads.
func (a *asking) readable(ctx context.Context, c *client.Client, root client.Root) (list []taxii.Collection, err error) {
	all, err := c.Collections(ctx, root)
	if err != nil {
		return nil, err
	}
	for _, name := range a.names {
		k, err := client.Find(all, name)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	for _, k := range all {
		if len(a.names) == 0 && k.CanRead {
			list = append(list, k)
		}
	}
	return list, nil
}

func expiredCommand(w *world) *cobra.Command {
	a := &asking{w: w}
	cmd := &cobra.Command{
		Use:   "expired [ID…]",
		Short: "List what is out of date or revoked, or say it of objects",
		Long: `Lists, of each object the last version, what is out of date or was revoked, since a time if that is named. An
indicator without valid_until is out of date by the operator's table of lifetimes, which is then shown as
"default"; the object itself is as its publisher wrote it, and nothing is removed. With IDs: until when these are valid.`,
		Example: "  liaison expired --as vn-police --since 2026-01-01\n  liaison expired --collection vn\n  liaison expired indicator--…",
		Args:    arguments(cobra.ArbitraryArgs),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.expired(cmd, args) },
	}
	a.flags(cmd)
	cmd.Flags().StringSliceVar(&a.names, "collection", nil, "a collection, by alias or id; may be repeated (default: all)")
	cmd.Flags().StringVar(&a.since, "since", "", "what lapsed after this time")
	return cmd
}

// lapsed is one line of the list.
type lapsed struct {
	Collection string `json:"collection"`
	taxii.Lapse
}

func (a *asking) expired(cmd *cobra.Command, ids []string) error {
	if a.since != "" {
		var err error
		if a.since, err = client.ParseSince(a.since); err != nil {
			return &usageError{fmt.Errorf("--since: %w", err)}
		}
	}
	if len(ids) > 0 && a.since != "" {
		return &usageError{errors.New("--since is for the list, without IDs")}
	}
	if a.as == "" {
		return a.w.inOperation(cmd, a.op, func(ctx context.Context, c *admin.Client, op auth.OperationID) error {
			if len(ids) > 0 {
				return a.objects(ctx, c, op, ids)
			}
			return a.lapsesOf(ctx, c, op)
		})
	}
	return a.asPartner(cmd, func(ctx context.Context, c *client.Client, root client.Root) error {
		all, err := a.readable(ctx, c, root)
		if err != nil {
			return err
		}
		list := []lapsed{}
		again := ""
		for _, k := range all {
			for _, id := range ids {
				l, err := c.Validity(ctx, root, k, id)
				if e, ok := errors.AsType[*client.Error](err); ok && e.Status == 404 {
					continue // of another collection
				}
				if err != nil {
					return err
				}
				list = append(list, lapsed{client.Name(k), l})
			}
			if len(ids) > 0 {
				continue
			}
			next, err := c.Lapses(ctx, root, k, a.since, func(l taxii.Lapse) { list = append(list, lapsed{client.Name(k), l}) })
			if err != nil {
				return err
			}
			if again == "" || next < again {
				again = next
			}
		}
		return a.printLapses(list, again)
	})
}

// lapsesOf lists for the operator.
func (a *asking) lapsesOf(ctx context.Context, c *admin.Client, op auth.OperationID) error {
	o, err := c.Operation(ctx, op)
	if err != nil {
		return err
	}
	names := a.names
	if len(names) == 0 {
		for _, k := range o.Collections {
			if !k.Intake {
				names = append(names, aliasOf(k))
			}
		}
	}
	list := []lapsed{}
	again := ""
	for _, name := range names {
		next, err := c.Lapses(ctx, op, name, a.since, func(l taxii.Lapse) { list = append(list, lapsed{name, l}) })
		if err != nil {
			return err
		}
		if again == "" || next < again {
			again = next
		}
	}
	return a.printLapses(list, again)
}

func aliasOf(k collections.Collection) string {
	if k.Alias != "" {
		return k.Alias
	}
	return string(k.ID)
}

func (a *asking) printLapses(list []lapsed, again string) error {
	if a.w.json {
		return a.w.print(map[string]any{"objects": list, "since_next_time": again}, "")
	}
	if len(list) > 0 {
		rows := [][]string{{"COLLECTION", "OBJECT", "LAPSES", "VALID-UNTIL", "BY", "REVOKED"}}
		for _, l := range list {
			rows = append(rows, []string{l.Collection, string(l.ID), textOr(l.At, "-"), textOr(l.ValidUntil, "-"), textOr(l.Which, "-"), strconv.FormatBool(l.Revoked)})
		}
		if err := a.w.table(rows); err != nil {
			return err
		}
	} else if err := a.w.print(nil, "nothing is out of date or revoked\n"); err != nil {
		return err
	}
	if again == "" {
		return nil
	}
	return a.w.print(nil, "next time: --since %s\n", again)
}

// objects says of some until when they are valid.
func (a *asking) objects(ctx context.Context, c *admin.Client, op auth.OperationID, ids []string) error {
	all := []admin.ObjectValidity{}
	rows := [][]string{{"OBJECT", "VERSION", "PUBLISHER", "COLLECTIONS", "VALID-UNTIL", "BY", "REVOKED"}}
	for _, id := range ids {
		list, err := c.ObjectValidity(ctx, op, id)
		if err != nil {
			return err
		}
		all = append(all, list...)
		for _, o := range list {
			valid := "-"
			if o.ValidUntil != nil {
				valid = when(*o.ValidUntil)
			}
			rows = append(rows, []string{string(o.ID), o.Version, string(o.Publisher), fmt.Sprint(o.Collections), valid, textOr(o.Which, "-"), strconv.FormatBool(o.Revoked)})
		}
	}
	switch {
	case a.w.json:
		return a.w.print(all, "")
	case len(all) == 0:
		return a.w.print(nil, "no version of these goes out of date or is revoked\n")
	}
	return a.w.table(rows)
}

func reportedCommand(w *world) *cobra.Command {
	a := &asking{w: w}
	cmd := &cobra.Command{
		Use:   "reported [VALUE…]",
		Short: "Say by how many partners values are reported",
		Long: `Says of values (addresses, domains, URLs, mail addresses, hashes; defanged or not) by how many partners they are
reported, or lists the values of collections that two or more report. A partner is told of what it may read, and
the number alone: not who they are.`,
		Example: "  liaison reported --as vn-police 185.1.2.3 hxxp://evil[.]example/a\n  liaison reported --collection vn",
		Args:    arguments(cobra.ArbitraryArgs),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.reported(cmd, args) },
	}
	a.flags(cmd)
	cmd.Flags().StringSliceVar(&a.names, "collection", nil, "list the values of this collection that several report; may be repeated")
	return cmd
}

func (a *asking) reported(cmd *cobra.Command, values []string) error {
	if (len(values) == 0) == (len(a.names) == 0) {
		return &usageError{errors.New("name some values, or --collection")}
	}
	if a.as == "" {
		return a.w.inOperation(cmd, a.op, func(ctx context.Context, c *admin.Client, op auth.OperationID) error {
			list := []collections.Reported{}
			for _, v := range values {
				r, err := c.Reported(ctx, op, v)
				if err != nil {
					return err
				}
				list = append(list, r)
			}
			for _, name := range a.names {
				more, err := c.Common(ctx, op, name)
				if err != nil {
					return err
				}
				list = append(list, more...)
			}
			return a.printReports(list)
		})
	}
	return a.asPartner(cmd, func(ctx context.Context, c *client.Client, root client.Root) error {
		if len(values) > 0 {
			r, err := c.Reported(ctx, root, values)
			if err != nil {
				return err
			}
			return a.printReports(r.Values)
		}
		all, err := a.readable(ctx, c, root)
		if err != nil {
			return err
		}
		list := []collections.Reported{}
		for _, k := range all {
			r, err := c.Common(ctx, root, k)
			if err != nil {
				return err
			}
			list = append(list, r.Values...)
		}
		return a.printReports(list)
	})
}

func (a *asking) printReports(list []collections.Reported) error {
	switch {
	case a.w.json:
		return a.w.print(list, "")
	case len(list) == 0:
		return a.w.print(nil, "no value is reported by two or more\n")
	}
	rows := [][]string{{"KIND", "VALUE", "PARTNERS", "ONE-OBJECT"}}
	for _, r := range list {
		rows = append(rows, []string{r.Kind, r.Text, strconv.Itoa(r.Partners), textOr(string(r.ID), "-")})
	}
	return a.w.table(rows)
}
