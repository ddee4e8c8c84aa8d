package stix

import "fmt"

// RelationshipType gives the relationship_type of a relationship, nil when there is none.
// STIX 2.1 section 5.1.
func (o *Object) RelationshipType() []byte { return o.str(nRelationshipType) }

// Country gives the country of a location as the publisher wrote it, nil when there is none.
// STIX 2.1 section 4.11: "This property SHOULD contain a valid ISO 3166-1 ALPHA-2 Code".
func (o *Object) Country() []byte { return o.str(nCountry) }

// ExtensionList gives a list of strings out of an extension of the object: the member property of the
// extension with this id. there is whether the object has the extension at all; a member that is absent
// is nil, one that is no list of strings a problem. STIX 2.1 section 7.3.
func (o *Object) ExtensionList(extension, property string) (list [][]byte, there bool, problem *Problem) {
	all := o.member(nExtensions)
	if all.absent() || all.kind != kObject {
		return nil, false, nil
	}
	nodes := o.p.nodes
	at := int(o.p.at[nExtensions])
	for i := at + 1; i < int(nodes[at].next) && i < len(nodes); i = int(nodes[i].next) {
		if string(o.key(&nodes[i])) != extension {
			continue
		}
		if nodes[i].kind != kObject {
			return nil, true, nil
		}
		for k := i + 1; k < int(nodes[i].next) && k < len(nodes); k = int(nodes[k].next) {
			if string(o.key(&nodes[k])) == property {
				list, problem = o.strings(k, fmt.Sprintf("/extensions/%s/%s", extension, property))
				return list, true, problem
			}
		}
		return nil, true, nil
	}
	return nil, false, nil
}

// strings gives the texts of the list whose node is at.
func (o *Object) strings(at int, pointer string) ([][]byte, *Problem) {
	nodes := o.p.nodes
	if nodes[at].kind != kList {
		return nil, &Problem{Pointer: pointer, Rule: "is no list of strings"}
	}
	list := [][]byte{}
	for c := at + 1; c < int(nodes[at].next) && c < len(nodes); c = int(nodes[c].next) {
		if nodes[c].kind != kString {
			return nil, &Problem{Pointer: fmt.Sprintf("%s/%d", pointer, len(list)), Rule: "is no string"}
		}
		list = append(list, o.text(&nodes[c]))
	}
	return list, nil
}

// EachExtension gives the name of every extension that the object has: an id, or a name that STIX 2.1
// section 6 gives.
func (o *Object) EachExtension(each func(name []byte)) {
	all := o.member(nExtensions)
	if all.absent() || all.kind != kObject {
		return
	}
	nodes := o.p.nodes
	at := int(o.p.at[nExtensions])
	for i := at + 1; i < int(nodes[at].next) && i < len(nodes); i = int(nodes[i].next) {
		each(o.key(&nodes[i]))
	}
}
