package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
	"liaison/stix"
)

func partnerCommand(w *world) *cobra.Command {
	return group("partner", "Partners: who publishes, who reads, and what",
		partnerCreate(w), partnerSet(w), partnerList(w), partnerShow(w), partnerGrant(w), partnerInvite(w), partnerSnippet(w),
		partnerAct(w, "suspend", "Stop a partner at its next request; its credentials rest", (*admin.Client).SuspendPartner,
			"suspended %s: its tokens are dead, its secrets and certificates rest\nnext: %s\n", "partner resume"),
		partnerAct(w, "resume", "Let a suspended partner in again", (*admin.Client).ResumePartner,
			"resumed %s: its secrets and certificates hold again, tokens from before do not\nnext: %s\n", "partner show"),
		partnerAct(w, "remove", "Remove a partner for good", (*admin.Client).RemovePartner,
			"removed %s for good: its credentials are revoked and its id is never used again\nnext: %s\n", "client list"),
		partnerAct(w, "resync", "Make a partner's clients pull from the start", (*admin.Client).ResyncPartner,
			"%s: each of its clients starts again at its next pull, in every collection\nnext: %s\n", "partner show"),
	)
}

func partnerCreate(w *world) *cobra.Command {
	var in admin.NewPartner
	var role, operation, countries string
	cmd := &cobra.Command{
		Use:   "create ID --role ROLE --name NAME",
		Short: "Add a partner, with the collections that it may use",
		Long: `Add a partner. With --operation and --countries it gets the collections of these countries in the same
act: a vendor reads and writes, and publishes into the operation's intake too; an agency reads.

An agency's clearance is the highest level that it may read, amber+strict unless said otherwise; red
means that it may be named as recipient, nothing more. What a vendor publishes without a marking counts
as its default marking, and fails when it has none.`,
		Example: `  liaison partner create acme --role vendor --name "Acme Intelligence" --operation secure --countries all
  liaison partner create vn-police --role agency --name "Police of Viet Nam" --operation secure --countries VN`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := required(cmd, "role", "name"); err != nil {
				return err
			}
			if err := checkPartnerFlags(cmd, role, in.Clearance, in.DefaultMarking); err != nil {
				return err
			}
			in.ID, in.Role = auth.PartnerID(args[0]), auth.Role(role)
			in.Operation, in.Countries = auth.OperationID(operation), splitList(countries)
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				p, err := c.CreatePartner(ctx, in)
				if err != nil {
					return err
				}
				return w.print(p, "created %s %s with %s\nnext: %s\n", p.Role, p.ID, count(granted(p.Grants), "collection"),
					w.next("partner invite "+string(p.ID)))
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "vendor, agency, operator or auditor")
	cmd.Flags().StringVar(&in.Name, "name", "", "name, for people")
	cmd.Flags().StringVar(&in.Clearance, "clearance", "", "of an agency: clear, green, amber, amber+strict (default) or red")
	cmd.Flags().StringVar(&in.DefaultMarking, "default-marking", "", "what its unmarked objects count as: clear, green, amber or amber+strict")
	countryFlags(w, cmd, &operation, &countries)
	return cmd
}

// granted counts the collections of a partner, without intakes.
func granted(list []admin.Grant) (n int) {
	for _, g := range list {
		if g.Alias != collections.IntakeAlias {
			n++
		}
	}
	return n
}

func countryFlags(w *world, cmd *cobra.Command, operation, countries *string) {
	cmd.Flags().StringVar(operation, "operation", "", "operation of the countries")
	cmd.Flags().StringVar(countries, "countries", "", `codes separated by commas, or "all"`)
	cmd.RegisterFlagCompletionFunc("operation", func(cmd *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return w.completeOperations(cmd, nil, prefix)
	})
}

// checkPartnerFlags refuses values that no gateway takes, and flags that only mean something together.
func checkPartnerFlags(cmd *cobra.Command, role, clearance, marking string) error {
	switch auth.Role(role) {
	case "", auth.Vendor, auth.Agency, auth.Operator, auth.Auditor:
	default:
		return &usageError{fmt.Errorf("--role %q: want vendor, agency, operator or auditor", role)}
	}
	if cmd.Flags().Changed("clearance") {
		if _, err := stix.ParseLevel(clearance); err != nil {
			return &usageError{fmt.Errorf("--clearance: %w", err)}
		}
	}
	if marking != "" && marking != noMarking {
		if _, err := stix.ParseLevel(marking); err != nil {
			return &usageError{fmt.Errorf("--default-marking: %w", err)}
		}
	}
	if cmd.Flags().Changed("operation") != cmd.Flags().Changed("countries") {
		return &usageError{fmt.Errorf("--operation and --countries go together")}
	}
	return nil
}

// noMarking takes a default marking away.
const noMarking = "none"

// changed tells of a partner that was changed, and what a wider view does not do by itself.
func (w *world) changed(p admin.Changed) error {
	if !p.Widened {
		return w.print(p, "changed %s\nnext: %s\n", p.ID, w.next("partner show "+string(p.ID)))
	}
	return w.print(p, `changed %s: it may read more than before
Running cursors do not go back: what its clients have passed by already is not given to them.
next, if they are to have it: %s
`, p.ID, w.next("partner resync "+string(p.ID)))
}

func partnerList(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the partners",
		Args:  arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				all, err := c.Partners(ctx)
				if err != nil {
					return err
				}
				if w.json {
					return w.print(all, "")
				}
				if len(all) == 0 {
					return w.print(nil, "no partners yet\nnext: %s\n", w.next("partner create ID --role ROLE --name NAME"))
				}
				rows := [][]string{{"ID", "ROLE", "STATE", "CLEARANCE", "COLLECTIONS", "CLIENTS", "NAME"}}
				for _, p := range all {
					rows = append(rows, []string{string(p.ID), string(p.Role), string(p.State), levelText(p.Clearance),
						strconv.Itoa(granted(p.Grants)), strconv.Itoa(p.LiveClients), p.Name})
				}
				return w.table(rows)
			})
		},
	}
}

func levelText(l stix.Level) string {
	if l == stix.Unmarked {
		return "-"
	}
	return l.String()
}

func partnerShow(w *world) *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "Show a partner and what it may do",
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: w.completePartners,
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				p, err := c.Partner(ctx, auth.PartnerID(args[0]))
				if err != nil {
					return err
				}
				if w.json {
					return w.print(p, "")
				}
				fmt.Fprintf(w.stdout, "%s: %s, %s, %s\n  clearance        %s\n  default marking  %s\n  clients          %d\n  open invitations %d\n",
					p.ID, p.Name, p.Role, p.State, levelText(p.Clearance), levelText(p.DefaultMarking), p.LiveClients, p.Invitations)
				fmt.Fprint(w.stdout, doorsText(p))
				if p.State == auth.Removed {
					return w.print(nil, "removed for good: its id is never used again\nnext: %s\n", w.next("partner list"))
				}
				if len(p.Grants) == 0 {
					return w.print(nil, "no collections\nnext: %s\n", w.next("partner set "+string(p.ID)+" --operation SLUG --countries VN"))
				}
				operations, err := c.Operations(ctx)
				if err != nil {
					return err
				}
				return w.showGrants(p.Grants, operations)
			})
		},
	}
}

// showGrants lists grants; what a closed operation leaves of them is said beside it.
func (w *world) showGrants(grants []admin.Grant, operations []admin.Operation) error {
	rows := [][]string{{"OPERATION", "COLLECTION", "TITLE", "RIGHTS"}}
	for _, g := range grants {
		closed := slices.ContainsFunc(operations, func(o admin.Operation) bool { return o.ID == g.Operation && o.Closed })
		name := string(g.Operation)
		if closed {
			name += " (closed: reads only)"
		}
		rows = append(rows, []string{name, g.Alias, g.Title, rightsText(g.Rights)})
	}
	return w.table(rows)
}

// doorsText says what a partner is held to at the door, when it is.
func doorsText(p admin.Partner) string {
	var b strings.Builder
	if p.RequireCertificate {
		fmt.Fprintf(&b, "  certificate      required\n")
	}
	if len(p.Networks) > 0 {
		var list []string
		for _, n := range p.Networks {
			list = append(list, n.String())
		}
		fmt.Fprintf(&b, "  networks         %s\n", strings.Join(list, ", "))
	}
	if p.Agreement.Reference != "" {
		fmt.Fprintf(&b, "  agreement        %s, until %s\n", p.Agreement.Reference, when(p.Agreement.Until))
	}
	if p.RequireAgreement {
		fmt.Fprintf(&b, "  agreement        required: without one that holds, training collections alone\n")
	}
	for _, c := range p.Compatibility {
		fmt.Fprintf(&b, "  compatibility    %s\n", c)
	}
	for _, r := range p.Hold {
		fmt.Fprintf(&b, "  held             %s\n", r)
	}
	for _, l := range p.Exempt {
		fmt.Fprintf(&b, "  exempt from      %s\n", l)
	}
	if p.Onward {
		fmt.Fprintf(&b, "  onward           feeds others: nothing above AMBER\n")
	}
	if p.Identity != "" {
		fmt.Fprintf(&b, "  identity         %s\n", p.Identity)
	}
	if p.Attribution == auth.Pseudonymous {
		fmt.Fprintf(&b, "  pseudonym        %s\n", p.Pseudonym)
	}
	return b.String()
}

func rightsText(r auth.Rights) string {
	switch {
	case r.Read && r.Write:
		return "read,write"
	case r.Read:
		return "read"
	case r.Write:
		return "write"
	}
	return "none"
}

func parseRights(s string) (auth.Rights, error) {
	if s == "none" {
		return auth.Rights{}, nil
	}
	var r auth.Rights
	for v := range strings.SplitSeq(s, ",") {
		switch v {
		case "read":
			r.Read = true
		case "write":
			r.Write = true
		default:
			return r, fmt.Errorf("--rights %q: want read,write, read, write or none", s)
		}
	}
	return r, nil
}

func partnerGrant(w *world) *cobra.Command {
	var operation, collection, rights string
	cmd := &cobra.Command{
		Use:   "grant ID --operation SLUG --collection ALIAS --rights RIGHTS",
		Short: "Set a partner's rights on a collection",
		Long: `Set a partner's rights on a collection: read,write, read, write or none. With none the collection stays
listed for the partner and can neither be read nor written; "liaison partner set" takes it away altogether.`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: w.completePartners,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := required(cmd, "operation", "collection", "rights"); err != nil {
				return err
			}
			r, err := parseRights(rights)
			if err != nil {
				return &usageError{err}
			}
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				p, err := c.Grant(ctx, auth.PartnerID(args[0]), auth.OperationID(operation), collection, r)
				if err != nil {
					return err
				}
				return w.changed(p)
			})
		},
	}
	cmd.Flags().StringVar(&operation, "operation", "", "operation of the collection")
	cmd.Flags().StringVar(&collection, "collection", "", "alias or id of the collection")
	cmd.Flags().StringVar(&rights, "rights", "", "read,write, read, write or none")
	return cmd
}

func partnerInvite(w *world) *cobra.Command {
	var ttl string
	cmd := &cobra.Command{
		Use:   "invite ID",
		Short: "Make a URL with which a partner joins once",
		Long: `Make a URL with which a partner joins once. It is shown here and kept nowhere. The part behind # names the
certificate that the partner is to trust; give it to the partner on a way that you both trust.`,
		Example:           `  liaison join "$(liaison partner invite acme)" --out ./acme`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: w.completePartners,
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				v, err := c.Invite(ctx, auth.PartnerID(args[0]), admin.NewInvitation{TTL: ttl})
				if err != nil {
					return err
				}
				if !w.json { // standard output is the URL alone, for $(…)
					fmt.Fprintf(w.stderr, "%s joins once, until %s; on its machine: liaison join URL --out DIR\n", args[0], when(v.Expires))
				}
				return w.print(v, "%s\n", v.URL)
			})
		},
	}
	cmd.Flags().StringVar(&ttl, "ttl", "24h", "how long the URL holds, at most 168h")
	return cmd
}

// partnerAct is a verb that takes nothing but the partner.
func partnerAct(w *world, name, short string, act func(*admin.Client, context.Context, auth.PartnerID) (admin.Partner, error),
	said, next string) *cobra.Command {
	return &cobra.Command{
		Use:               name + " ID",
		Short:             short,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: w.completePartners,
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				p, err := act(c, ctx, auth.PartnerID(args[0]))
				if err != nil {
					return err
				}
				return w.print(p, said, p.ID, w.next(next+" "+string(p.ID)))
			})
		},
	}
}

// completePartners offers the ids that a running gateway knows.
func (w *world) completePartners(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return w.complete(cmd, args, func(ctx context.Context, c *admin.Client) (ids []string) {
		all, err := c.Partners(ctx)
		if err != nil {
			return nil
		}
		for _, p := range all {
			if strings.HasPrefix(string(p.ID), prefix) && p.State != auth.Removed {
				ids = append(ids, cobra.CompletionWithDesc(string(p.ID), p.Name))
			}
		}
		return ids
	})
}
