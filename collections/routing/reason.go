package routing

// Code is why a country was found, or why an object goes where it goes. Codes are stable: they stand in
// the journal and in the API. The zero value is none.
type Code uint8

// The codes in the order of preference: what the publisher states, what databases and domains say, what
// is known of the things around the object, what came along.
const (
	Listed         Code = iota + 1 // by the publisher, on the object
	ListedAll                      // by the publisher, for the whole publication
	LocationItself                 // the object is a location in the country
	LocatedAt                      // relationship located-at
	Targets                        // relationship targets, to a location
	OriginatesFrom                 // relationship originates-from
	Victim                         // relationship targets, to an identity that is located in the country
	Sighted                        // where_sighted_refs
	Indicates                      // indicates an infrastructure that the publisher places in the country
	PartOf                         // an infrastructure that the publisher places in the country consists of it
	Address                        // an address is there by the database
	Domain                         // a name is under the country's domain
	IndicatesWhat                  // indicates something that the publisher says concerns the country
	Member                         // in a report or grouping that the publisher gives the country
	Operator                       // an operator routed it
	Earlier                        // an earlier version is in the country's collection
	Follows                        // speaks of things that are there
	Brought                        // is needed to understand something that goes there
	codes
)

// String gives the code's name in the API and the journal.
func (c Code) String() string {
	if c == 0 || c >= codes {
		return ""
	}
	return [codes]string{
		Listed: "listed", ListedAll: "listed-publication", LocationItself: "location", LocatedAt: "located-at",
		Targets: "targets", OriginatesFrom: "originates-from", Victim: "victim", Sighted: "sighted",
		Indicates: "indicates", PartOf: "part-of", Address: "address", Domain: "domain",
		IndicatesWhat: "indicates-target", Member: "member", Operator: "operator", Earlier: "earlier", Follows: "follows", Brought: "brought",
	}[c]
}

// Stated reports whether the publisher said so itself.
func (c Code) Stated() bool { return c >= Listed && c <= PartOf }

// Reason is why an object concerns a country, or goes there. The country need not be the operation's.
type Reason struct {
	Code    Code
	Country Country // "" for Follows and Brought, which hold for all of Route.To that no other reason gives
	Value   string  // the address, the top-level domain with its dot, or the id of the object that it comes from, if it is known
	Source  string  // of Address: the database and its version
}

// Text says it in words.
func (r Reason) Text() string {
	c := string(r.Country)
	switch r.Code {
	case Listed:
		return c + " listed by the publisher"
	case ListedAll:
		return c + " listed by the publisher for the whole publication"
	case LocationItself:
		return "location in " + c + " stated by the publisher"
	case LocatedAt:
		return "located-at " + c + " stated by the publisher"
	case Targets:
		return "targets " + c + " stated by the publisher"
	case OriginatesFrom:
		return "originates-from " + c + " stated by the publisher"
	case Victim:
		return "victim identity in " + c
	case Sighted:
		return "sighted in " + c
	case Indicates:
		return "indicates infrastructure in " + c + " stated by the publisher"
	case PartOf:
		return "part of infrastructure in " + c + " stated by the publisher"
	case Address:
		return r.Value + " is in " + c + " by " + r.Source
	case Domain:
		return "domain under " + r.Value
	case IndicatesWhat:
		return "indicates what concerns " + c + " by the publisher: " + r.Value
	case Member:
		return "in " + r.Value + ", which the publisher gives " + c
	case Operator:
		return "routed to " + c + " by the operator"
	case Earlier:
		return "an earlier version is in the collection of " + c
	case Follows:
		return "goes where the things go that it speaks of"
	case Brought:
		if r.Value == "" {
			return "needed by what is there already"
		}
		return "brought by " + r.Value
	}
	return ""
}

// State is what becomes of an object.
type State uint8

// The states.
const (
	Routed  State = iota // goes to at least one country now, or everything that it was to go to has it already
	Waiting              // a relationship or sighting that waits for an end which is not known yet
	Apart                // speaks of things that do not all go to one country
	Context              // goes along when something needs it: identities, markings, malware … without a country
	Outside              // countries were found, none of them in the operation
	Refused              // countries of the operation were found, and the caller allows none of them
	Nowhere              // no country found
)

// String gives the state's name in the API and the journal.
func (s State) String() string {
	names := [...]string{"routed", "waiting", "apart", "context", "outside", "refused", "nowhere"}
	if int(s) < len(names) {
		return names[s]
	}
	return ""
}
