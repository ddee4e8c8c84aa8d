package stix

// wholeArtifact: "One of payload_bin or url MUST be provided. It is incompatible to provide both."
// STIX 2.1 section 6.1.
func wholeArtifact(c *checker, at int) bool {
	const section = "STIX 2.1 section 6.1"
	have := &c.o.p.have
	switch {
	case have.has(nPayloadBin) == have.has(nURL):
		return c.fail(at, section, "exactly one of payload_bin and url is required")
	case have.has(nURL) && !have.has(nHashes):
		return c.fail(at, section, "hashes are required beside url")
	case have.has(nDecryptionKey) && !have.has(nEncryptionAlgorithm):
		return c.fail(c.at(nDecryptionKey), section, "decryption_key needs encryption_algorithm")
	}
	return true
}

// wholePart: "One of body OR body_raw_ref MUST be included." STIX 2.1 section 6.6.2. Both are one too
// many for the schemas, and so for tier 2.
func wholePart(c *checker, at int) bool {
	body, raw := c.find(at, nBody) != 0, c.find(at, nBodyRawRef) != 0
	if !body && !raw || c.strict && body && raw {
		return c.fail(at, "STIX 2.1 section 6.6.2", "one of body and body_raw_ref is required")
	}
	return true
}

// wholeMessage: "If is_multipart is true, body MUST NOT be used"; "body_multipart … MUST NOT be used
// if is_multipart is false". STIX 2.1 section 6.6.
func wholeMessage(c *checker, _ int) bool {
	const section = "STIX 2.1 section 6.6"
	multipart := c.o.member(nIsMultipart).kind == kTrue
	have := &c.o.p.have
	if multipart && have.has(nBody) {
		return c.fail(c.at(nBody), section, "body must not be there when is_multipart is true")
	}
	if !multipart && have.has(nBodyMultipart) {
		return c.fail(c.at(nBodyMultipart), section, "body_multipart must not be there when is_multipart is false")
	}
	return true
}

// wholeFile: "A File object MUST contain at least one of hashes or name." STIX 2.1 section 6.7.
func wholeFile(c *checker, at int) bool {
	if !c.o.p.have.has(nHashes) && !c.o.p.have.has(nName) {
		return c.fail(at, "STIX 2.1 section 6.7", "one of hashes and name is required")
	}
	return true
}

// wholeTraffic: "A Network Traffic object MUST contain at least one of src_ref or dst_ref"; "If the
// is_active property is true, then the end property MUST NOT be included"; "end … MUST be greater
// than or equal to the timestamp in the start property". STIX 2.1 section 6.12.
func wholeTraffic(c *checker, at int) bool {
	const section = "STIX 2.1 section 6.12"
	have := &c.o.p.have
	if !have.has(nSrcRef) && !have.has(nDstRef) {
		return c.fail(at, section, "one of src_ref and dst_ref is required")
	}
	if have.has(nEnd) && c.o.member(nIsActive).kind == kTrue {
		return c.fail(c.at(nEnd), section, "end must not be there when is_active is true")
	}
	return c.ordered(at, nStart, nEnd, true)
}

// some checks that an observable has a property beside those of every observable: "MUST contain at
// least one property (other than type) from this object (or one of its extensions)". STIX 2.1
// sections 6.13, 6.16, 6.17, 6.18.
func (c *checker) some() bool {
	own := c.o.p.have
	for _, n := range []name{nType, nID, nSpecVersion, nObjectMarkingRefs, nGranularMarkings, nDefanged} {
		own[n>>6] &^= 1 << (n & 63)
	}
	if own == (nameSet{}) {
		return c.fail(0, c.o.kind.section, "at least one property of a ", c.o.kind.name, " is required")
	}
	return true
}

// wholeSome is for the observables whose properties may all be left out, but not all at once.
func wholeSome(c *checker, _ int) bool { return c.some() }
