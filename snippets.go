package main

import (
	"fmt"

	"liaison/server/client"
)

// snippet is what to type into somebody else's TAXII client.
type snippet struct {
	Client string
	Text   string // lines, each with its newline
}

// snippets tells how the clients in the field are pointed at one collection. ca is the path of the
// certificate to trust; id and title are the collection's.
func snippets(a client.Account, ca, id, title string) []snippet {
	objects := a.APIRoot + "collections/" + id + "/objects/"
	return []snippet{
		{"curl", fmt.Sprintf(`curl --globoff --cacert %s \
  --user '%s:%s' \
  --header 'Accept: application/taxii+json;version=2.1' \
  '%s?match[type]=indicator&limit=10'
`, ca, a.ClientID, a.ClientSecret, objects)},
		{"taxii2-client (Python)", fmt.Sprintf(`from taxii2client.v21 import Collection, as_pages
c = Collection('%scollections/%s/', user='%s', password='%s', verify='%s')
for page in as_pages(c.get_objects, per_request=1000):
    print(len(page.get('objects', [])))
`, a.APIRoot, id, a.ClientID, a.ClientSecret, ca)},
		{"OpenCTI: Data > Ingestion > TAXII feeds > +", fmt.Sprintf(`TAXII server URL:         %s
TAXII version:            TAXII 2.1
TAXII collection:         %s
Authentication type:      Basic user / password
Username:                 %s
Password:                 %s
`, a.APIRoot, id, a.ClientID, a.ClientSecret)},
		{"MISP: misp-modules, import module taxii21", fmt.Sprintf(`url:                      %s
added_after:              (empty the first time)
username:                 %s
password:                 %s
`, a.APIRoot+"collections/"+id+"/", a.ClientID, a.ClientSecret)},
		{"Microsoft Sentinel: Data connectors > Threat intelligence - TAXII", fmt.Sprintf(`Friendly name:            %s
API root URL:             %s
Collection ID:            %s
Username:                 %s
Password:                 %s
`, title, a.APIRoot, id, a.ClientID, a.ClientSecret)},
	}
}
