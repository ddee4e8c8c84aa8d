package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"liaison/collections"
	"liaison/collections/routing"
	"liaison/server/client"
	"liaison/server/taxii"
	"liaison/stix"
)

func publishCommand(w *world) *cobra.Command {
	p := &publication{w: w}
	cmd := &cobra.Command{
		Use:   "publish --as DIR FILE…",
		Short: "Publish bundles and envelopes",
		Long: `Publishes STIX bundles and TAXII envelopes; - is standard input. Their objects are sent byte for
byte, in as many requests as the gateway's max_content_length asks for, and followed until the
gateway has said what became of them. What did not make it is listed; the exit code is 1 then.

Without --collection they go to the gateway's intake, which routes each object into the collections of
the countries that it concerns (docs/routing.md says how they are found); --countries names them for
what does not name its own. With a server that has no intake, --countries publishes to the collections
of these countries.

What is TLP:RED is for the partners that it names itself, or that --to names. A version that is marked lower
than the one before it fails, unless --confirm-lower says that it is meant. --pseudonym and --revoke change the
objects here, before they are sent: they name the pseudonym that the gateway issued as their author, or become
a new, revoked version.

Publishing again is harmless: what the gateway has already it does not add twice. After a failure,
run the same command again.`,
		Example: `  liaison publish --as acme bundle.json --countries VN,LK
  liaison publish --as acme --collection vn --dry-run *.json`,
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd, args) },
	}
	asFlag(cmd, &p.as)
	cmd.Flags().StringVar(&p.collection, "collection", "", "the collection to publish to, by alias or id (default: intake)")
	cmd.Flags().StringSliceVar(&p.countries, "countries", nil, "the countries that everything concerns which does not name its own: VN,LK,…")
	cmd.Flags().StringSliceVar(&p.to, "to", nil, "partners that may see what is TLP:RED and names nobody itself: vn-police,…")
	cmd.Flags().BoolVar(&p.lower, "confirm-lower", false, "objects may be marked lower than the versions before them")
	cmd.Flags().BoolVar(&p.pseudonym, "pseudonym", false, "name the pseudonym that the gateway issued as the author of the objects")
	cmd.Flags().BoolVar(&p.revoke, "revoke", false, "revoke the objects: a new version of each, with revoked true")
	cmd.Flags().BoolVar(&p.dry, "dry-run", false, "store nothing: ask the gateway what would be taken, refused, and who would get it")
	cmd.Flags().StringVar(&p.apiRoot, "api-root", "", "the api root, by URL or by the last step of its path (default: partner.json's)")
	return cmd
}

// mostFailures is how many failures machine output lists; it counts them all.
const mostFailures = 10_000

// publication is one run of the verb, and its machine output.
type publication struct {
	w          *world
	as         string
	collection string
	countries  []string
	to         []string
	lower      bool
	pseudonym  bool
	revoke     bool
	dry        bool
	apiRoot    string
	routed     bool // by the gateway: it is the intake

	bar     *progress
	sources []client.Source
	found   []surveyed
	total   client.Survey
	broken  int // files

	report publishReport
}

type publishReport struct {
	DryRun      bool             `json:"dry_run,omitempty"`
	APIRoot     string           `json:"api_root"`
	Files       []surveyed       `json:"files"`
	Collections []client.Outcome `json:"collections"`
	Failures    []client.Failure `json:"failures"`
	Failed      int64            `json:"failed"` // objects, listed or not
	Notes       []publishNote    `json:"notes"`  // what the gateway said of objects that it took
	Previews    []taxii.Preview  `json:"previews,omitempty"`
	Error       string           `json:"error,omitempty"`
}

// publishNote is a message about objects that were taken, with the first of them.
type publishNote struct {
	Collection string `json:"collection"`
	Message    string `json:"message"`
	Objects    int64  `json:"objects"`
	ID         string `json:"id"`
}

// surveyed is what was found in one file.
type surveyed struct {
	File    string `json:"file"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
	Unsent  int64  `json:"unsent"` // that cannot be sent
	Error   string `json:"error,omitempty"`
}

func (p *publication) run(cmd *cobra.Command, files []string) error {
	if p.collection != "" && len(p.countries) > 0 {
		return &usageError{errors.New("--collection and --countries say the same thing twice: give one of them")}
	}
	p.bar = newProgress(p.w, "publishing", 0)
	c, err := p.w.partner(cmd, p.as, func(o *client.Options) {
		o.Notify = func(line string) { p.bar.line(p.w.stderr, "liaison: %s", line) }
	})
	if err != nil {
		return err
	}
	defer c.Close()
	sources, done, err := openSources(files, p.w.stdin)
	if err != nil {
		return err
	}
	defer done()
	ctx := cmd.Context()
	if sources, err = p.rewritten(ctx, c, sources); err != nil {
		return err
	}
	root, err := c.APIRoot(ctx, p.apiRoot)
	if err != nil {
		return err
	}
	all, err := c.Collections(ctx, root)
	if err != nil {
		return err
	}
	to, err := p.destinations(root, all)
	if err != nil {
		return err
	}
	p.report = publishReport{DryRun: p.dry, APIRoot: root.URL, Collections: []client.Outcome{}, Failures: []client.Failure{}, Notes: []publishNote{}}
	pub := &client.Publisher{Client: c, Root: root, Failed: p.failed, Noted: p.noted}
	if p.routed {
		pub.Countries = p.countries
	}
	pub.Partners, pub.ConfirmLower = p.to, p.lower
	p.survey(pub, sources)
	if p.dry {
		return p.end(p.tellDry(ctx, pub, to))
	}
	return p.end(p.publish(ctx, pub, to))
}

// rewritten changes what is to be changed before it is sent.
func (p *publication) rewritten(ctx context.Context, c *client.Client, sources []client.Source) ([]client.Source, error) {
	var r rewriting
	if p.revoke {
		r.revoked = revokedNow()
	}
	if p.pseudonym {
		i, err := c.Identity(ctx)
		if err != nil {
			return nil, err
		}
		if r.pseudonym = i.Pseudonym; r.pseudonym == "" {
			return nil, errors.New("this partner has no pseudonym: ask the operator for one (liaison partner set ID --attribution pseudonym)")
		}
	}
	return r.sources(sources, p.w.notice)
}

// destinations gives the collections that were asked for. Without any it is the gateway's intake, where
// it has one.
func (p *publication) destinations(root client.Root, all []taxii.Collection) ([]taxii.Collection, error) {
	var names []string
	switch {
	case p.collection != "":
		names = []string{p.collection}
	default:
		if k, err := client.Find(all, "intake"); err == nil && k.CanWrite {
			p.routed = true
			return []taxii.Collection{k}, p.checkCountries()
		}
		if len(p.countries) == 0 {
			return nil, &usageError{fmt.Errorf("this gateway has no intake that routes by itself: say where to publish with --collection or --countries; this partner may write to %s", writable(root, all))}
		}
		if err := p.checkCountries(); err != nil {
			return nil, err
		}
		names = p.countries
	}
	var out []taxii.Collection
	seen := make(map[string]bool)
	for _, n := range names {
		k, err := client.Find(all, n)
		if err != nil {
			return nil, err
		}
		if !k.CanWrite {
			return nil, fmt.Errorf("%w: this partner may not write to collection %s; it may write to %s", client.ErrNotAllowed, client.Name(k), writable(root, all))
		}
		if !seen[k.ID] {
			seen[k.ID] = true
			out = append(out, k)
		}
	}
	return out, nil
}

// checkCountries reads the list of countries: codes in lower case, as aliases are.
func (p *publication) checkCountries() error {
	for i, c := range p.countries {
		code, err := routing.ParseCountry(strings.TrimSpace(c))
		if err != nil {
			return &usageError{fmt.Errorf("--countries: %w", err)}
		}
		p.countries[i] = strings.ToLower(string(code))
	}
	return nil
}

func writable(root client.Root, all []taxii.Collection) string {
	var names []string
	for _, k := range all {
		if k.CanWrite {
			names = append(names, client.Name(k))
		}
	}
	switch {
	case len(names) == 0 && strings.Contains(root.Description, taxii.Closed):
		return "none: " + taxii.Closed
	case len(names) == 0:
		return "none: ask the operator for a grant"
	}
	return strings.Join(names, ", ")
}

// survey reads every file before anything is sent: one that is broken is left out whole.
func (p *publication) survey(pub *client.Publisher, sources []client.Source) {
	for _, src := range sources {
		v, err := pub.Check(src, nil)
		f := surveyed{File: src.Name, Objects: v.Objects, Bytes: v.Bytes, Unsent: v.Unsent}
		if err != nil {
			p.broken++
			f = surveyed{File: src.Name, Error: err.Error()}
			p.bar.line(p.w.stderr, "liaison: %v", err)
		} else {
			p.sources = append(p.sources, src)
			p.total.Objects += v.Objects
			p.total.Bytes += v.Bytes
			p.total.Unsent += v.Unsent
		}
		p.found = append(p.found, f)
	}
	p.report.Files = p.found
}

// wouldFail says which objects a gateway refuses by what always must hold of them.
func (p *publication) wouldFail(file string, o *stix.Object, problem *stix.Problem) {
	if problem == nil {
		problem, _ = stix.Check(o)
	}
	if problem != nil {
		p.failed(client.Failure{Source: file, ID: string(o.ID), Version: string(o.Version().Text), Message: problem.Error()})
	}
}

// failed takes an object that did not make it.
func (p *publication) failed(f client.Failure) {
	p.report.Failed++
	if p.w.json {
		if len(p.report.Failures) < mostFailures {
			p.report.Failures = append(p.report.Failures, f)
		}
		return
	}
	what, where := "failed", f.Collection
	if f.Source != "" {
		what, where = "not sent", f.Source
	}
	if p.dry {
		what = "would fail"
	}
	id := f.ID
	if id == "" {
		id = "(no id)"
	}
	p.bar.line(p.w.stdout, "%s  %s  %s", what, where, strings.Join(strings.Fields(id+" "+f.Version+" "+f.Message), " "))
}

// mostNotes is how many different messages are kept; more of one kind are counted.
const mostNotes = 1_000

// noted takes what the gateway says of an object that it took.
func (p *publication) noted(f client.Failure) {
	if where, _, ok := strings.Cut(f.Message, ": "); ok && !p.w.json && p.routed && strings.HasPrefix(where, "to ") {
		if _, rest, not := strings.Cut(f.Message, "; not to "); not {
			where += "; not to " + rest
		}
		f.Message = where // not the reason of each
	}
	for i := range p.report.Notes {
		if n := &p.report.Notes[i]; n.Message == f.Message && n.Collection == f.Collection {
			n.Objects++
			return
		}
	}
	if len(p.report.Notes) < mostNotes {
		p.report.Notes = append(p.report.Notes, publishNote{f.Collection, f.Message, 1, f.ID})
	}
}

// tellNotes prints what the gateway said, the first of each kind.
func (p *publication) tellNotes() {
	const most = 10
	for _, n := range p.report.Notes[:min(most, len(p.report.Notes))] {
		which := n.ID
		if n.Objects > 1 {
			which = fmt.Sprintf("%s and %d more", n.ID, n.Objects-1)
		}
		fmt.Fprintf(p.w.stdout, "note    %s  %s: %s\n", n.Collection, which, n.Message)
	}
	if more := len(p.report.Notes) - most; more > 0 {
		fmt.Fprintf(p.w.stdout, "note    and %d other notes: --json lists them\n", more)
	}
}

// publish sends everything to every collection. What stops one collection only does not stop the
// others; what stops the connection stops all.
func (p *publication) publish(ctx context.Context, pub *client.Publisher, to []taxii.Collection) error {
	if len(p.sources) == 0 {
		return nil
	}
	p.bar = newProgress(p.w, "publishing", p.total.Bytes*int64(len(to)))
	pub.Sent = p.bar.add
	var errs []error
	for _, k := range to {
		out, err := pub.Publish(ctx, k, p.sources)
		p.report.Collections = append(p.report.Collections, out)
		p.report.Failed += out.Unlisted
		if err == nil {
			continue
		}
		err = fmt.Errorf("collection %s: %w; %d of %d objects are acknowledged, %d are not: run the same command again, what is there is not added twice",
			client.Name(k), stopped(err), out.Sent-out.Unknown, p.total.Objects, p.total.Objects-out.Sent+out.Unknown)
		errs = append(errs, err)
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 403 && e.Status != 404 {
			break
		}
	}
	p.bar.clear()
	return errors.Join(errs...)
}

// tellDry says what would become of everything: as the gateway says it, or without one that can, what would
// be sent and what always must hold of it.
func (p *publication) tellDry(ctx context.Context, pub *client.Publisher, to []taxii.Collection) error {
	for _, k := range to {
		p.report.Collections = append(p.report.Collections, client.Outcome{Collection: client.Name(k), ID: k.ID})
		list, err := pub.Preview(ctx, k, p.sources)
		switch {
		case errors.Is(err, client.ErrNoPreview):
			p.tellBlind(k)
		case err != nil:
			return fmt.Errorf("collection %s: %w", client.Name(k), stopped(err))
		}
		for _, v := range list {
			p.tellPreview(client.Name(k), v)
		}
	}
	return nil
}

// tellBlind is for servers that cannot tell.
func (p *publication) tellBlind(k taxii.Collection) {
	blind := &client.Publisher{}
	for _, src := range p.sources {
		// It was read before: an error now would be another one then too.
		blind.Check(src, func(o *stix.Object, problem *stix.Problem) { p.wouldFail(src.Name, o, problem) })
	}
	if !p.w.json {
		fmt.Fprintf(p.w.stdout, "would send %s (%s) to %s\n", plural(p.total.Objects, "object"), byteCount(p.total.Bytes), client.Name(k))
	}
}

// tellPreview prints what a gateway would do with one request.
func (p *publication) tellPreview(name string, v taxii.Preview) {
	ways := map[string]int64{}
	listed := int64(0)
	for _, f := range v.Objects {
		switch {
		case f.Verdict == collections.ForecastFailed:
			listed++
			p.failed(client.Failure{Collection: name, ID: f.ID, Version: f.Version, Message: f.Message})
		case f.Verdict == collections.ForecastAdded:
			ways[fmt.Sprintf("%s: %s", strings.Join(f.Collections, ", "), plural(int64(f.Recipients), "recipient"))]++
		case f.Verdict == collections.ForecastKept:
			p.noted(client.Failure{Collection: name, ID: f.ID, Version: f.Version, Message: f.Message})
		}
	}
	p.report.Failed += int64(v.Failed) - listed
	p.report.Previews = append(p.report.Previews, v)
	if p.w.json {
		return
	}
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		fmt.Fprintf(p.w.stdout, "would go    %s to %s\n", plural(ways[way], "object"), way)
	}
	p.tellNotes()
	p.report.Notes = p.report.Notes[:0]
	fmt.Fprintf(p.w.stdout, "%s: %s, %d would be accepted (%d of them there already, %d kept), %d would fail\n",
		name, plural(int64(v.Total), "object"), v.Accepted, v.Duplicate, v.Kept, v.Failed)
}

// end prints the summary and decides on the exit code.
func (p *publication) end(err error) error {
	if err = advised(err); err != nil {
		p.report.Error = err.Error()
	}
	failed := p.report.Failed > 0 || p.broken > 0
	if p.w.json {
		if perr := p.w.print(p.report, ""); perr != nil {
			return errors.Join(err, perr)
		}
	} else if !p.dry {
		p.tellNotes()
		for _, o := range p.report.Collections {
			line := fmt.Sprintf("%s: %s sent, %d accepted, %d failed", o.Collection, plural(o.Sent, "object"), o.Accepted, o.Failed)
			if o.Unlisted > 0 {
				line += fmt.Sprintf(" (%d of them not listed by the gateway)", o.Unlisted)
			}
			if o.Unknown > 0 {
				line += fmt.Sprintf(", %d unknown", o.Unknown)
			}
			fmt.Fprintln(p.w.stdout, line)
		}
		if p.broken > 0 {
			fmt.Fprintf(p.w.stdout, "%s of %d could not be read and are left out\n", plural(int64(p.broken), "file"), len(p.found))
		}
	}
	switch {
	case err != nil:
		return err
	case p.broken > 0:
		return &silent{fmt.Errorf("%d files are broken", p.broken)}
	case failed:
		return &silent{errors.New("objects failed")}
	}
	return nil
}

// openSources makes sources of file names; standard input is kept in a temporary file, because it is
// read more than once. done removes that.
func openSources(files []string, stdin io.Reader) (sources []client.Source, done func(), err error) {
	done = func() {}
	for _, name := range files {
		if name != "-" {
			if fi, err := os.Stat(name); err == nil && fi.IsDir() {
				return nil, done, &usageError{fmt.Errorf("%s is a directory: name the files in it", name)}
			}
			sources = append(sources, client.Source{Name: name, Open: func() (io.ReadCloser, error) { return os.Open(name) }})
			continue
		}
		for _, s := range sources {
			if s.Name == "-" {
				return nil, done, &usageError{errors.New("standard input can be read once only: give - once")}
			}
		}
		f, err := os.CreateTemp("", "liaison-publish-*")
		if err != nil {
			return nil, done, fmt.Errorf("keeping standard input: %w", err)
		}
		_ = os.Remove(f.Name()) // at once, where the system can: nothing is left after a kill
		done = func() {
			f.Close()
			_ = os.Remove(f.Name())
		}
		size, err := io.Copy(f, stdin)
		if err != nil {
			done()
			return nil, func() {}, fmt.Errorf("keeping standard input: %w", err)
		}
		sources = append(sources, client.Source{Name: "-", Open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(f, 0, size)), nil
		}})
	}
	return sources, done, nil
}
