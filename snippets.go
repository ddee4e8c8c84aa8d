package main

import (
	"fmt"
	"path"
	"strings"

	"liaison/server/client"
)

// snippet is what to type into somebody else's TAXII client.
type snippet struct {
	For    string // as --for names it
	Client string
	Text   string // lines, each with its newline
}

// snippets tells how the clients in the field are pointed at one collection. ca is the path of the
// certificate to trust; id and title are the collection's. The first five are those that the demo
// prints.
func snippets(a client.Account, ca, id, title string) []snippet {
	objects := a.APIRoot + "collections/" + id + "/objects/"
	return []snippet{
		{"curl", "curl", fmt.Sprintf(`curl --globoff --cacert %s \
  --user '%s:%s' \
  --header 'Accept: application/taxii+json;version=2.1' \
  '%s?match[type]=indicator&limit=10'
`, ca, a.ClientID, a.ClientSecret, objects)},
		{"taxii2-client", "taxii2-client (Python)", fmt.Sprintf(`from taxii2client.v21 import Collection, as_pages
c = Collection('%scollections/%s/', user='%s', password='%s', verify='%s')
for page in as_pages(c.get_objects, per_request=1000):
    print(len(page.get('objects', [])))
`, a.APIRoot, id, a.ClientID, a.ClientSecret, ca)},
		{"opencti", "OpenCTI: Data > Ingestion > TAXII feeds > +", fmt.Sprintf(`TAXII server URL:         %s
TAXII version:            TAXII 2.1
TAXII collection:         %s
Authentication type:      Basic user / password
Username:                 %s
Password:                 %s
`, a.APIRoot, id, a.ClientID, a.ClientSecret)},
		{"misp", "MISP: misp-modules, import module taxii21", fmt.Sprintf(`url:                      %s
added_after:              (empty the first time)
username:                 %s
password:                 %s
`, a.APIRoot+"collections/"+id+"/", a.ClientID, a.ClientSecret)},
		{"sentinel", "Microsoft Sentinel: Data connectors > Threat intelligence - TAXII", fmt.Sprintf(`Friendly name:            %s
API root URL:             %s
Collection ID:            %s
Username:                 %s
Password:                 %s
`, title, a.APIRoot, id, a.ClientID, a.ClientSecret)},
	}
}

// moreSnippets are for clients whose instances choose a collection by its title, or want their own
// certificate store.
func moreSnippets(a client.Account, id, title string) []snippet {
	return []snippet{
		{"xsoar", "Cortex XSOAR: Settings > Integrations > TAXII 2 Feed > Add instance", fmt.Sprintf(`Discovery Service URL:    %s
Default API Root:         %s
Username:                 %s
Password:                 %s
Collection Name To Fetch: %s
Full Feed Fetch:          off
`, a.Discovery, rootName(a.APIRoot), a.ClientID, a.ClientSecret, title)},
		{"splunk", "Splunk Enterprise Security 8.2 or newer: Threat Intelligence Management > TAXII source", fmt.Sprintf(`URL:                      %s
POST arguments:           collection="%s" taxii_username="%s" taxii_password="%s"
From 8.4 on the password belongs into the credential store under the user name, and not into the arguments.
`, a.APIRoot, id, a.ClientID, a.ClientSecret)},
		{"elastic", "Elastic: Integrations > Custom Threat Intelligence > STIX/TAXII", fmt.Sprintf(`URL:                      %scollections/%s/objects/
OAuth2 client ID:         %s
OAuth2 client secret:     %s
OAuth2 token URL:         %s
It fails on envelopes without objects: ask the operator to run "liaison partner set %s --compatibility empty-objects".
`, a.APIRoot, id, a.ClientID, a.ClientSecret, a.TokenURL, a.Partner)},
	}
}

// rootName gives the last step of an api root's path, which some clients know it by.
func rootName(root string) string { return path.Base(strings.TrimSuffix(root, "/")) }
