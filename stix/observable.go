package stix

// observableTypes are the types of STIX 2.1 section 6.
var observableTypes = [...]string{
	"artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file", "ipv4-addr",
	"ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url", "user-account",
	"windows-registry-key", "x509-certificate",
}

var (
	// STIX 2.1 section 6.6.2
	mimePart = inside("MIME part", "STIX 2.1 section 6.6.2", wholePart,
		may("body", text), may("body_raw_ref", ref("artifact", "file")), may("content_type", text), may("content_disposition", text))
	// STIX 2.1 section 6.17.2
	registryValue = inside("registry value", "STIX 2.1 section 6.17.2", nil,
		may("name", text), may("data", text), may("data_type", enum("REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD",
			"REG_DWORD_BIG_ENDIAN", "REG_DWORD_LITTLE_ENDIAN", "REG_LINK", "REG_MULTI_SZ", "REG_RESOURCE_LIST",
			"REG_FULL_RESOURCE_DESCRIPTION", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD", "REG_INVALID_TYPE"))).orOne()
	// STIX 2.1 section 6.18.2
	x509v3 = inside("X.509 v3 extensions", "STIX 2.1 section 6.18.2", nil,
		may("basic_constraints", text), may("name_constraints", text), may("policy_constraints", text), may("key_usage", text),
		may("extended_key_usage", text), may("subject_key_identifier", text), may("authority_key_identifier", text),
		may("subject_alternative_name", text), may("issuer_alternative_name", text), may("subject_directory_attributes", text),
		may("crl_distribution_points", text), may("inhibit_any_policy", text), may("private_key_usage_period_not_before", stamp),
		may("private_key_usage_period_not_after", stamp), may("certificate_policies", text), may("policy_mappings", text)).orOne()
)

// observableShapes are the tables of STIX 2.1 section 6.
func observableShapes() []*shape {
	sco := func(name, section string, whole func(*checker, int) bool, lines ...property) *shape {
		return shaped(name, "STIX 2.1 section "+section, observable, whole, lines...)
	}
	payload := ref("artifact")
	return []*shape{
		sco("artifact", "6.1", wholeArtifact,
			may("mime_type", formed(mimeForm)), may("payload_bin", binaryText), may("url", formed(uriForm)), may("hashes", hashes),
			may("encryption_algorithm", enum("AES-256-GCM", "ChaCha20-Poly1305", "mime-type-indicated")), may("decryption_key", text)),
		sco("autonomous-system", "6.2", nil, must("number", anyInteger), may("name", text), may("rir", text)),
		sco("directory", "6.3", nil,
			must("path", text), may("path_enc", formed(charsetForm)), may("ctime", stamp), may("mtime", stamp), may("atime", stamp),
			may("contains_refs", refs("file", "directory"))),
		sco("domain-name", "6.4", nil, must("value", formed(domainForm)), may("resolves_to_refs", refs("ipv4-addr", "ipv6-addr", "domain-name"))),
		sco("email-addr", "6.5", nil, must("value", formed(mailForm)), may("display_name", text), may("belongs_to_ref", ref("user-account"))),
		sco("email-message", "6.6", wholeMessage,
			must("is_multipart", boolean), may("date", stamp), may("content_type", text), may("from_ref", ref("email-addr")),
			may("sender_ref", ref("email-addr")), may("to_refs", refs("email-addr")), may("cc_refs", refs("email-addr")),
			may("bcc_refs", refs("email-addr")), may("message_id", text), may("subject", text), may("received_lines", list(text)),
			may("additional_header_fields", entriesOf(ofTextOrTexts)), may("body", text), may("body_multipart", list(object(mimePart))),
			may("raw_email_ref", payload)),
		sco("file", "6.7", wholeFile,
			may("hashes", hashes), may("size", natural), may("name", text), may("name_enc", formed(charsetForm)), may("magic_number_hex", hexText),
			may("mime_type", text), may("ctime", stamp), may("mtime", stamp), may("atime", stamp),
			may("parent_directory_ref", ref("directory")), may("contains_refs", list(ref())), may("content_ref", payload)),
		sco("ipv4-addr", "6.8", nil,
			must("value", formed(ipv4Form)), may("resolves_to_refs", refs("mac-addr")), may("belongs_to_refs", refs("autonomous-system"))),
		sco("ipv6-addr", "6.9", nil,
			must("value", formed(ipv6Form)), may("resolves_to_refs", refs("mac-addr")), may("belongs_to_refs", refs("autonomous-system"))),
		sco("mac-addr", "6.10", nil, must("value", formed(macForm))),
		sco("mutex", "6.11", nil, must("name", text)),
		sco("network-traffic", "6.12", wholeTraffic,
			may("start", stamp), may("end", stamp), may("is_active", boolean),
			may("src_ref", ref("ipv4-addr", "ipv6-addr", "mac-addr", "domain-name")),
			may("dst_ref", ref("ipv4-addr", "ipv6-addr", "mac-addr", "domain-name")),
			may("src_port", port), may("dst_port", port), must("protocols", list(text)), may("src_byte_count", natural),
			may("dst_byte_count", natural), may("src_packets", natural), may("dst_packets", natural), may("ipfix", entriesOf(ofTextOrInteger)),
			may("src_payload_ref", payload), may("dst_payload_ref", payload),
			may("encapsulates_refs", refs("network-traffic")), may("encapsulated_by_ref", ref("network-traffic"))),
		sco("process", "6.13", wholeSome,
			may("is_hidden", boolean), may("pid", anyInteger), may("created_time", stamp), may("cwd", text), may("command_line", text),
			may("environment_variables", entriesOf(ofText)), may("opened_connection_refs", refs("network-traffic")),
			may("creator_user_ref", ref("user-account")), may("image_ref", ref("file")), may("parent_ref", ref("process")),
			may("child_refs", refs("process"))),
		sco("software", "6.14", nil,
			must("name", text), may("cpe", formed(cpeForm)), may("swid", text), may("languages", list(formed(languageForm))), may("vendor", text), may("version", text)),
		sco("url", "6.15", nil, must("value", formed(uriForm))),
		sco("user-account", "6.16", wholeSome,
			may("user_id", text), may("credential", text), may("account_login", text), may("account_type", text),
			may("display_name", text), may("is_service_account", boolean), may("is_privileged", boolean),
			may("can_escalate_privs", boolean), may("is_disabled", boolean), may("account_created", stamp),
			may("account_expires", stamp), may("credential_last_changed", stamp), may("account_first_login", stamp),
			may("account_last_login", stamp)),
		sco("windows-registry-key", "6.17", wholeSome,
			may("key", formed(hiveForm)), may("values", list(object(registryValue))), may("modified_time", stamp),
			may("creator_user_ref", ref("user-account")), may("number_of_subkeys", natural)),
		sco("x509-certificate", "6.18", wholeSome,
			may("is_self_signed", boolean), may("hashes", hashes), may("version", text), may("serial_number", text),
			may("signature_algorithm", text), may("issuer", text), may("validity_not_before", stamp),
			may("validity_not_after", stamp), may("subject", text), may("subject_public_key_algorithm", text),
			may("subject_public_key_modulus", text), may("subject_public_key_exponent", anyInteger),
			may("x509_v3_extensions", object(x509v3))),
	}
}
