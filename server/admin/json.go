package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"liaison/auth"
)

const mediaJSON = "application/json"

var (
	errBody  = errors.New("body too large")
	errMedia = errors.New("media type not supported")
)

// decode reads the request's body, one JSON object, into v, a pointer to a flat struct. Members that
// v does not have, in exactly this spelling, are refused by name, as are members that stand twice; an
// empty body is an empty object.
func decode(r request, v any) error {
	control := http.NewResponseController(r.w)
	control.SetReadDeadline(time.Now().Add(bodyTime)) // not all transports have one
	body, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, maxBody))
	control.SetReadDeadline(time.Time{}) // the act may take longer, and ends when the caller goes
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return fmt.Errorf("%w: at most %d bytes", errBody, maxBody)
	} else if err != nil {
		return fmt.Errorf("%w: reading the body: %v", auth.ErrInvalid, err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if m, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || m != mediaJSON {
		return fmt.Errorf("%w: want Content-Type: %s", errMedia, mediaJSON)
	}
	if err := checkMembers(body, members(v)); err != nil {
		return fmt.Errorf("%w: body: %w", auth.ErrInvalid, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("%w: field %q: want %s, not a JSON %s", auth.ErrInvalid, t.Field, typeName(t.Type), t.Value)
		}
		return fmt.Errorf("%w: body: %w", auth.ErrInvalid, err)
	}
	return nil
}

// checkMembers walks the members of the one object in body.
func checkMembers(body []byte, known []string) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	} else if t != json.Delim('{') {
		return errors.New("want one JSON object")
	}
	var seen []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		name, _ := t.(string)
		switch {
		case !slices.Contains(known, name):
			return fmt.Errorf("unknown field %q: want some of %s", name, strings.Join(known, ", "))
		case slices.Contains(seen, name):
			return fmt.Errorf("field %q stands twice", name)
		}
		seen = append(seen, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("not JSON: field %q: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the object")
	}
	return nil
}

// members gives the JSON names of v's fields.
func members(v any) []string {
	t := reflect.TypeOf(v).Elem()
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Int64 {
			return "an array of numbers"
		}
		return "an array of strings"
	}
	return "a " + t.String()
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // answers are plain structs
	}
	w.Header().Set("Content-Type", mediaJSON)
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stallTime)) // not all transports have one
	w.WriteHeader(status)
	w.Write(append(b, '\n')) // an answer that nobody takes is nobody's loss
}

func parseQuery(r *http.Request) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: parameters: %w", auth.ErrInvalid, err)
	}
	return q, nil
}
