// Package taxii is the protocol on the wire: the resources of TAXII 2.1 as JSON, its media types, the
// parameters of a request, the cursor that pages are continued with, and its error message.
//
// It serves nothing: it knows no web framework, no store and no policy. It turns headers and query
// strings into values of the domain and values of the domain into bytes.
//
// TAXII Version 2.1, OASIS Standard, 10 June 2021; RFC 9110 (Accept, Accept-Encoding, Content-Type).
package taxii

import (
	"net/http"
	"strconv"
)

// MediaType is the media type of every answer, written exactly so: some clients compare it as a
// string. TAXII 2.1 section 1.6.8.
const MediaType = "application/taxii+json;version=2.1"

// Media types of content. TAXII 2.1 section 5.2.1.
const (
	STIX20 = "application/stix+json;version=2.0"
	STIX21 = "application/stix+json;version=2.1"
)

// DiscoveryPath is where a TAXII server answers. TAXII 2.1 section 8.2.1.
const DiscoveryPath = "/taxii2/"

// Headers that tell the date_added of the first and the last object of an answer. TAXII 2.1 section
// 3.2.
const (
	HeaderFirst = "X-TAXII-Date-Added-First"
	HeaderLast  = "X-TAXII-Date-Added-Last"
)

// Error is the error message of TAXII 2.1 section 3.6.1, and a Go error. Nothing in it may tell of
// anything that the caller may not see.
type Error struct {
	Title           string            `json:"title"`
	Description     string            `json:"description,omitempty"`
	ErrorID         string            `json:"error_id,omitempty"`   // this instance; also in the log
	ErrorCode       string            `json:"error_code,omitempty"` // this kind
	HTTPStatus      string            `json:"http_status,omitempty"`
	ExternalDetails string            `json:"external_details,omitempty"` // a URL
	Details         map[string]string `json:"details,omitempty"`
}

// NewError makes an error of a status.
//
// "The HTTP status code, as a string, for this error": http_status equals the status line. TAXII 2.1
// section 3.6.1.
func NewError(status int, code, title, description string) *Error {
	return &Error{Title: title, Description: description, ErrorCode: code, HTTPStatus: strconv.Itoa(status)}
}

// Error gives the title and the description.
func (e *Error) Error() string {
	if e.Description == "" {
		return e.Title
	}
	return e.Title + ": " + e.Description
}

// Status gives the HTTP status code; 500 for an error that names none.
func (e *Error) Status() int {
	if n, err := strconv.Atoi(e.HTTPStatus); err == nil && n >= 400 && n <= 599 {
		return n
	}
	return http.StatusInternalServerError
}

// badParameter is a 400 that names the parameter.
func badParameter(name, description string) *Error {
	e := NewError(http.StatusBadRequest, "invalid_parameter", "Invalid parameter "+clip(name), description)
	e.Details = map[string]string{"parameter": clip(name)}
	return e
}

// clip bounds a text from outside that an answer repeats.
func clip(s string) string {
	const most = 100 // bytes
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
