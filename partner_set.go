package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/server/admin"
)

// settings are the flags of "partner set" as they are typed.
type settings struct {
	name, clearance, marking, operation, countries string
	requireCertificate, requireAgreement           bool
	networks, agreement, until, compatibility      string
	hold, exempt, attribution                      string
	onward                                         bool
}

func partnerSet(w *world) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "set ID",
		Short: "Change what is set for a partner",
		Long: `Change what is given and nothing else. With --operation and --countries these countries are then all
that the partner has in the operation: others are taken away, those that it had keep their rights.

A partner that may read more than before is not given what it has passed by already: "liaison partner
resync ID" makes it pull from the start.

With --require-certificate nothing opens a door without the client's certificate, with --networks nothing
from other addresses; both may be set. An agreement counts where one is required, of this
partner (--require-agreement) or of all (require_agreement in config.json): without one that holds a partner
reaches training collections alone.

With --hold a publisher's objects wait for the operator ("liaison queue list"): all of them, or by rules
separated by commas: type=TYPE, level=LEVEL (this one or stricter), pattern=TYPE (what tells of this kind of
observable), list=NAME (what meets this guard list).

With --onward the partner feeds others: it gets nothing above AMBER.`,
		Example: `  liaison partner set vn-police --clearance red
  liaison partner set acme --require-certificate --networks 192.0.2.0/24,2001:db8::/32
  liaison partner set acme --agreement "MoU 17/2025" --agreement-until 2026-12-31
  liaison partner set lk-police --compatibility empty-objects
  liaison partner set acme --hold type=malware,level=amber`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: w.completePartners,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := s.change(cmd)
			if err != nil {
				return err
			}
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				p, err := c.SetPartner(ctx, auth.PartnerID(args[0]), in)
				if err != nil {
					return err
				}
				return w.changed(p)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.name, "name", "", "name, for people")
	f.StringVar(&s.clearance, "clearance", "", "of an agency: clear, green, amber, amber+strict or red")
	f.StringVar(&s.marking, "default-marking", "", "clear, green, amber, amber+strict, or none")
	f.BoolVar(&s.requireCertificate, "require-certificate", false, "nothing opens a door without its certificate; =false takes it back")
	f.StringVar(&s.networks, "networks", "", "addresses and networks from which alone it may knock, separated by commas, or none")
	f.StringVar(&s.agreement, "agreement", "", "reference of the agreement on file, or none; with --agreement-until")
	f.StringVar(&s.until, "agreement-until", "", "last day on which it holds, like 2026-12-31")
	f.BoolVar(&s.requireAgreement, "require-agreement", false, "without an agreement that holds it reaches training collections alone; =false takes it back")
	f.StringVar(&s.compatibility, "compatibility", "", "what its clients need otherwise: empty-objects, or none")
	f.StringVar(&s.hold, "hold", "", "what waits for the operator before anybody sees it: all, rules, or none")
	f.StringVar(&s.exempt, "exempt", "", "guard lists that do not hold for it, separated by commas, or none")
	f.BoolVar(&s.onward, "onward", false, "it feeds others, and gets nothing above AMBER; =false takes it back")
	f.StringVar(&s.attribution, "attribution", "", "how its objects name it: named, or pseudonym")
	countryFlags(w, cmd, &s.operation, &s.countries)
	return cmd
}

// nothingSet takes away what a flag sets.
const nothingSet = "none"

// change gives what was typed as the API has it.
func (s settings) change(cmd *cobra.Command) (in admin.PartnerChange, err error) {
	if err := checkPartnerFlags(cmd, "", s.clearance, s.marking); err != nil {
		return in, err
	}
	given := cmd.Flags().Changed
	if s.agreement != nothingSet && given("agreement") != given("agreement-until") {
		return in, &usageError{fmt.Errorf("--agreement and --agreement-until go together")}
	}
	text := func(flag, v string) *string {
		switch {
		case !given(flag):
			return nil
		case v == nothingSet:
			v = ""
		}
		return &v
	}
	if given("name") {
		in.Name = &s.name
	}
	if given("clearance") {
		in.Clearance = &s.clearance
	}
	in.DefaultMarking = text("default-marking", s.marking)
	in.Agreement, in.AgreementUntil = text("agreement", s.agreement), text("agreement-until", s.until)
	if given("require-certificate") {
		in.RequireCertificate = &s.requireCertificate
	}
	if given("require-agreement") {
		in.RequireAgreement = &s.requireAgreement
	}
	if v := text("networks", s.networks); v != nil {
		list := append([]string{}, splitList(*v)...)
		in.Networks = &list
	}
	if v := text("compatibility", s.compatibility); v != nil {
		list := []auth.Compatibility{}
		for _, c := range splitList(*v) {
			list = append(list, auth.Compatibility(c))
		}
		in.Compatibility = &list
	}
	if v := text("hold", s.hold); v != nil {
		list := []auth.HoldRule{}
		for _, r := range splitList(*v) {
			list = append(list, auth.HoldRule(r))
		}
		in.Hold = &list
	}
	if v := text("exempt", s.exempt); v != nil {
		list := append([]string{}, splitList(*v)...)
		in.Exempt = &list
	}
	if given("onward") {
		in.Onward = &s.onward
	}
	if given("attribution") {
		in.Attribution = &s.attribution
	}
	in.Operation, in.Countries = auth.OperationID(s.operation), splitList(s.countries)
	if in.Operation == "" && !anyFlag(cmd) {
		return in, &usageError{fmt.Errorf("nothing to set; see \"%s --help\"", cmd.CommandPath())}
	}
	return in, nil
}

// anyFlag reports whether one of the verb's own flags was given.
func anyFlag(cmd *cobra.Command) bool {
	for _, name := range []string{"name", "clearance", "default-marking", "require-certificate", "require-agreement", "networks",
		"agreement", "agreement-until", "compatibility", "hold", "exempt", "onward", "attribution"} {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}
