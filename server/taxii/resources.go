package taxii

import (
	"encoding/json"
	"strconv"
	"strings"

	"liaison/collections"
)

// The resources that a server answers with. What is not there is omitted: the standard has neither
// nulls nor empty lists (TAXII 2.1 section 2, type list: "MUST NOT be empty").
type (
	// Discovery is TAXII 2.1 section 4.1.1.
	Discovery struct {
		Title       string   `json:"title"`
		Description string   `json:"description,omitempty"`
		Contact     string   `json:"contact,omitempty"`
		Default     string   `json:"default,omitempty"` // one of APIRoots
		APIRoots    []string `json:"api_roots,omitempty"`
	}

	// APIRoot is TAXII 2.1 section 4.2.1.
	APIRoot struct {
		Title            string   `json:"title"`
		Description      string   `json:"description,omitempty"`
		Versions         []string `json:"versions"`
		MaxContentLength int64    `json:"max_content_length"` // bytes
	}

	// Collections is TAXII 2.1 section 5.1.1.
	Collections struct {
		Collections []Collection `json:"collections,omitempty"`
	}

	// Collection is TAXII 2.1 section 5.2.1.
	Collection struct {
		ID          string   `json:"id"` // UUIDv4
		Title       string   `json:"title"`
		Description string   `json:"description,omitempty"`
		Alias       string   `json:"alias,omitempty"`
		CanRead     bool     `json:"can_read"`
		CanWrite    bool     `json:"can_write"`
		MediaTypes  []string `json:"media_types,omitempty"`
	}

	// Manifest is TAXII 2.1 section 5.3.1, with the next that it leaves out and paging needs.
	Manifest struct {
		More    *bool            `json:"more,omitempty"`
		Next    string           `json:"next,omitempty"`
		Objects []ManifestRecord `json:"objects,omitempty"`
	}

	// ManifestRecord is TAXII 2.1 section 5.3.2: one object version.
	ManifestRecord struct {
		ID        string `json:"id"`
		DateAdded string `json:"date_added"`
		Version   string `json:"version"`
		MediaType string `json:"media_type,omitempty"`
	}

	// Versions is TAXII 2.1 section 5.8.1, with the next that it leaves out and paging needs.
	Versions struct {
		More     *bool    `json:"more,omitempty"`
		Next     string   `json:"next,omitempty"`
		Versions []string `json:"versions,omitempty"`
	}

	// Status is TAXII 2.1 section 4.3.1.
	Status struct {
		ID               string               `json:"id"` // UUIDv4
		Status           string               `json:"status"`
		RequestTimestamp string               `json:"request_timestamp,omitempty"`
		TotalCount       int                  `json:"total_count"`
		SuccessCount     int                  `json:"success_count"`
		Successes        []collections.Detail `json:"successes,omitempty"`
		FailureCount     int                  `json:"failure_count"`
		Failures         []collections.Detail `json:"failures,omitempty"`
		PendingCount     int                  `json:"pending_count"`
	}

	// Envelope is TAXII 2.1 section 3.7.1, for those who read one whole.
	Envelope struct {
		More    bool              `json:"more,omitempty"`
		Next    string            `json:"next,omitempty"`
		Objects []json.RawMessage `json:"objects,omitempty"`
	}
)

// ContentTypes lists what a collection may hold. TAXII 2.1 section 5.2.1, media_types.
func ContentTypes() []string { return []string{STIX21, STIX20} }

// Closed ends the description of an api root that nobody publishes to any more.
const Closed = "the operation is closed: it can only be read"

// NewAPIRoot describes an operation.
func NewAPIRoot(op collections.Operation, maxContent int64) APIRoot {
	description := op.Description
	if op.Closed {
		description = strings.TrimSpace(description + " (" + Closed + ")")
	}
	return APIRoot{
		Title:            op.Title,
		Description:      description,
		Versions:         []string{MediaType},
		MaxContentLength: maxContent,
	}
}

// NewCollection describes a collection as one principal is shown it.
func NewCollection(l collections.Listing) Collection {
	return Collection{
		ID:          string(l.ID),
		Title:       l.Title,
		Description: l.Description,
		Alias:       l.Alias,
		CanRead:     l.CanRead,
		CanWrite:    l.CanWrite,
		MediaTypes:  ContentTypes(),
	}
}

// NewManifest lists facts; next is "" at the end. Without facts and next it is the empty resource.
func NewManifest(facts []collections.Fact, next string) Manifest {
	m := Manifest{More: more(len(facts), next), Next: next}
	for _, f := range facts {
		m.Objects = append(m.Objects, ManifestRecord{
			ID:        string(f.ID),
			DateAdded: f.Added.String(),
			Version:   version(f),
			MediaType: "application/stix+json;version=" + f.Spec,
		})
	}
	return m
}

// NewVersions lists the versions of one object; next is "" at the end.
func NewVersions(facts []collections.Fact, next string) Versions {
	v := Versions{More: more(len(facts), next), Next: next}
	for _, f := range facts {
		v.Versions = append(v.Versions, version(f))
	}
	return v
}

func more(n int, next string) *bool {
	if n == 0 && next == "" {
		return nil
	}
	more := next != ""
	return &more
}

// version gives the producer's own digits; an object without any has its date_added. TAXII 2.1
// section 3.4.1, match[version].
func version(f collections.Fact) string {
	if f.Version.Text == "" {
		return f.Added.String()
	}
	return f.Version.Text
}

// NewStatus describes what became of a publication.
func NewStatus(s collections.Status) Status {
	w := Status{
		ID:               string(s.ID),
		Status:           "complete",
		RequestTimestamp: collections.AddedAt(s.Received).String(),
		TotalCount:       s.Success + s.Failure + s.Pending,
		SuccessCount:     s.Success,
		Successes:        s.Successes,
		FailureCount:     s.Failure,
		Failures:         s.Failures,
		PendingCount:     s.Pending,
	}
	if s.Pending > 0 {
		w.Status = "pending"
	}
	return w
}

// AppendHead begins an envelope of which the objects follow: more and next stand before them, so that
// a reader of the stream knows early. next is "" at the end. TAXII 2.1 section 3.7.1.
func AppendHead(dst []byte, next string) []byte {
	dst = append(dst, `{"more":`...)
	dst = strconv.AppendBool(dst, next != "")
	if next != "" {
		dst = append(dst, `,"next":"`...) // of base64url: nothing to escape
		dst = append(dst, next...)
		dst = append(dst, '"')
	}
	return append(dst, `,"objects":[`...)
}

// AppendTail ends an envelope.
func AppendTail(dst []byte) []byte { return append(dst, "]}"...) }

// AppendEmpty writes an envelope without objects, as interoperability test 3.7.2 shows it.
func AppendEmpty(dst []byte, next string) []byte {
	if next == "" {
		return append(dst, `{"more": false}`...)
	}
	dst = append(dst, `{"more":true,"next":"`...)
	dst = append(dst, next...)
	return append(dst, `"}`...)
}

// Preview is this gateway's answer to POST …/preview, which no standard has.
type Preview = collections.Preview
