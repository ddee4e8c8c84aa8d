package interop

// tableRow is one row of the document and how it is tried: try gives what came, or the error that is
// the failure, or that something is missing.
type tableRow struct {
	id, name string
	optional bool
	expected string
	try      func(*run) (string, error)
}

// table is the document, row by row, read from the server's side.
func table() []tableRow {
	const must, may = false, true
	return []tableRow{
		{"3.1.1", "Missing authorization", must, "401 with WWW-Authenticate", missingAuthorization},
		{"3.1.2", "Wrong authorization", must, "401", wrongAuthorization},
		{"3.1.3", "Certificate", must, "a client certificate is a login", certificateLogin},
		{"3.1.4", "HTTP Basic", must, "client id and secret are a login", basicLogin},
		{"3.2.1", "Discovery", must, "title, api_roots absolute or relative, each of them answering", discovery},
		{"3.3.1", "API root", must, "200 with title, versions and max_content_length", apiRoot},
		{"3.3.2", "Wrong API root", must, "404", wrongRoot},
		{"3.4.1", "Collections", must, "200, with all that is required, ascending by id", collections},
		{"3.5.1.1", "Collection that is write-only", must, "can_read false, can_write true, and so it is", flags(false, true)},
		{"3.5.1.2", "Collection to read and write", must, "can_read true, can_write true, and so it is", flags(true, true)},
		{"3.5.1.3", "Collection that is read-only", must, "can_read true, can_write false, and so it is", flags(true, false)},
		{"3.5.1.4", "Collection without rights", must, "listed with can_read false, can_write false, and so it is", flags(false, false)},
		{"3.5.2.1", "Reading denied", must, "403 for objects and manifest of a write-only collection", deniedRead},
		{"3.5.2.2", "Writing denied", must, "403 for adding to a read-only collection", deniedWrite},
		{"3.5.2.3", "Deleting denied", must, "403 for deleting with only one of the rights", deniedDelete},
		{"3.5.2.4", "Deleting denied without rights", must, "404 for deleting with neither right", deniedDeleteNeither},
		{"3.5.3", "Wrong collection", must, "404", wrongCollection},
		{"3.6.1", "Manifest", must, "200 with id, date_added and version of what was added, dates in headers", manifest},
		{"3.7.1", "Objects", must, "200 with what was added, dates in headers", objects},
		{"3.7.2", "No objects", must, `200 with {"more": false}`, noObjects},
		{"3.8.1", "Object", must, "200 with the object, its last version", oneObject},
		{"3.8.2", "Object not found", must, "404", objectNotFound},
		{"3.9.1", "Versions", must, "200 with the versions that were added", versions},
		{"3.10.1", "Add objects", must, "202 with a status in which all succeeded, at once or soon", add},
		{"3.11.1", "Status", must, "200 with the same status", status},
		{"3.11.2", "Status with all properties", must, "a bad object fails alone; details have id and version", statusDetails},
		{"3.12.1", "Delete", must, "200, and then 404 and not in the manifest", remove},
		{"3.13.1.1", "Filter by added_after", must, "only what was added later", byAddedAfter},
		{"3.13.1.2", "Filter by limit", must, "no more than the limit, and more true", byLimit},
		{"3.13.1.3", "Filter by id", must, "only that id", byID},
		{"3.13.1.4", "Filter by type", must, "only that type", byType},
		{"3.13.1.5", "Filter by version", must, "first, last, all, and an exact one", byVersion},
		{"3.13.1.6", "Filter by spec_version", must, "only that version of STIX", bySpecVersion},
		{"3.13.1.7", "Filters: OR", must, "any of the values", byOr},
		{"3.13.1.8", "Filters: AND", must, "what matches all parameters", byAnd},
		{"3.13.1.9", "Filters: AND and OR", must, "any of the values, of all parameters", byBoth},
		{"3.13.1.10", "Filter twice", must, "400", byTwice},
		{"3.13.2.1", "Filters of tier 1", may, "match[name]: only what bears the name", tier1},
		{"3.13.2.2", "Filters of tier 2", may, "match[labels]: only what has the label", tier2},
		{"3.13.2.3", "Filters of tier 3", may, "match[source_name]: only what refers to the source", tier3},
		{"3.13.2.4", "Filters by relationships", may, "match[relationships-all]: the relationships of an object", tierRelationships},
		{"3.13.2.5", "Filters by calculation", may, "match[confidence-gte]: only what is as high", tierCalculation},
		{"3.14.1", "Pagination", must, "versions one by one, going on after the last date", pagination},
		{"3.15.1", "Custom properties", must, "taken beside the objects, and given back in them", customProperties},
	}
}
