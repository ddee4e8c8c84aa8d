package stix

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// A name is a property name that STIX 2.1 defines, as a small number; 0 is every other name.
type name uint16

// The names that the code speaks of, in the order of nameTexts.
const (
	nType name = iota + 1
	nSpecVersion
	nID
	nCreatedByRef
	nCreated
	nModified
	nRevoked
	nLabels
	nConfidence
	nLang
	nExternalReferences
	nObjectMarkingRefs
	nGranularMarkings
	nDefanged
	nExtensions
	nName
	nPattern
	nPatternType
	nPatternVersion
	nValidFrom
	nValidUntil
	nDefinitionType
	nDefinition
	nStatement
	nTLP
	nTLP20
	nExtensionType
	nExtensionTypes
	nExtensionProperties
	nMarkingRef
	nSelectors
	nSourceName
	nExternalID
	nURL
	nDescription
	nHashes
	nSourceRef
	nTargetRef
	nRelationshipType
	nSightingOfRef
	nObjectRefs
	nObjects
	nFirstSeen
	nLastSeen
	nFirstObserved
	nLastObserved
	nStartTime
	nStopTime
	nStart
	nEnd
	nIsActive
	nLatitude
	nLongitude
	nPrecision
	nRegion
	nCountry
	nIsFamily
	nMalwareTypes
	nAction
	nValue
	nKey
	nValues
	nPayloadBin
	nResult
	nProduct
	nIsMultipart
	nBody
	nBodyMultipart
	nAnalysisScoRefs
	nAnalysisStarted
	nAnalysisEnded
	nMimeType
	nProtocols
	nSrcRef
	nDstRef
	nSrcPort
	nDstPort
	nObjectModified
	nContents
	nOpinion
	nNumber
	nRir
	nPath
	nSchema
	nValidityNotBefore
	nValidityNotAfter
	nPrivateKeyUsagePeriodNotBefore
	nPrivateKeyUsagePeriodNotAfter
	nAccountType
	nUserID
	nAccountLogin
	nFromRef
	nSubject
	nMessageID
	nContent
	nCPE
	nSwid
	nVendor
	nVersion
	nLanguages
	nParentDirectoryRef
	nData
	nDataType
	nSerialNumber
	nEncryptionAlgorithm
	nDecryptionKey
	nImageRef
	nTimeDateStamp
	nBodyRawRef
	nObjectRef
)

// nameTexts lists the property names of STIX 2.1: first those with a constant, then those that
// appear in the tables of properties only.
const nameTexts = `
type spec_version id created_by_ref created modified revoked labels confidence lang
external_references object_marking_refs granular_markings defanged extensions name pattern
pattern_type pattern_version valid_from valid_until definition_type definition statement tlp tlp_2_0
extension_type extension_types extension_properties marking_ref selectors source_name external_id
url description hashes source_ref target_ref relationship_type sighting_of_ref object_refs objects
first_seen last_seen first_observed last_observed start_time stop_time start end is_active latitude
longitude precision region country is_family malware_types action value key values payload_bin
result product is_multipart body body_multipart analysis_sco_refs analysis_started analysis_ended
mime_type protocols src_ref dst_ref src_port dst_port object_modified contents opinion number rir
path schema validity_not_before validity_not_after private_key_usage_period_not_before
private_key_usage_period_not_after account_type user_id account_login from_ref subject message_id
content cpe swid vendor version languages parent_directory_ref data data_type serial_number
encryption_algorithm decryption_key image_ref time_date_stamp body_raw_ref
object_ref

kill_chain_phases kill_chain_name phase_name aliases objective context roles identity_class sectors
contact_information indicator_types infrastructure_types goals resource_level primary_motivation
secondary_motivations administrative_area city street_address postal_code operating_system_refs
architecture_execution_envs implementation_languages capabilities sample_refs host_vm_ref
operating_system_ref installed_software_refs configuration_version modules analysis_engine_version
analysis_definition_version submitted result_name sample_ref abstract authors number_observed
explanation report_types published threat_actor_types sophistication personal_motivations tool_types
tool_version count observed_data_refs where_sighted_refs summary path_enc ctime mtime
atime contains_refs resolves_to_refs display_name belongs_to_ref belongs_to_refs date content_type
sender_ref to_refs cc_refs bcc_refs received_lines additional_header_fields raw_email_ref
content_disposition size name_enc magic_number_hex content_ref src_byte_count
dst_byte_count src_packets dst_packets ipfix src_payload_ref dst_payload_ref encapsulates_refs
encapsulated_by_ref is_hidden pid created_time cwd command_line environment_variables
opened_connection_refs creator_user_ref parent_ref child_refs credential is_service_account
is_privileged can_escalate_privs is_disabled account_created account_expires credential_last_changed
account_first_login account_last_login modified_time number_of_subkeys is_self_signed
signature_algorithm issuer subject_public_key_algorithm subject_public_key_modulus
subject_public_key_exponent x509_v3_extensions comment sid alternate_data_streams is_optimized
document_info_dict pdfid0 pdfid1 image_height image_width bits_per_pixel exif_tags pe_type imphash
machine_hex number_of_sections pointer_to_symbol_table_hex number_of_symbols
size_of_optional_header characteristics_hex file_header_hashes optional_header sections magic_hex
major_linker_version minor_linker_version size_of_code size_of_initialized_data
size_of_uninitialized_data address_of_entry_point base_of_code base_of_data image_base
section_alignment file_alignment major_os_version minor_os_version major_image_version
minor_image_version major_subsystem_version minor_subsystem_version win32_version_value_hex
size_of_image size_of_headers checksum_hex subsystem_hex dll_characteristics_hex
size_of_stack_reserve size_of_stack_commit size_of_heap_reserve size_of_heap_commit loader_flags_hex
number_of_rva_and_sizes entropy request_method request_value request_version request_header
message_body_length message_body_data_ref icmp_type_hex icmp_code_hex address_family is_blocking
is_listening options socket_type socket_descriptor socket_handle src_flags_hex dst_flags_hex
aslr_enabled dep_enabled priority owner_sid window_title startup_info integrity_level service_name
descriptions group_name start_type service_dll_refs service_type service_status gid groups home_dir
shell basic_constraints name_constraints policy_constraints key_usage extended_key_usage
subject_key_identifier authority_key_identifier subject_alternative_name issuer_alternative_name
subject_directory_attributes crl_distribution_points inhibit_any_policy certificate_policies
policy_mappings
`

const (
	nameCount = 512 // names are below it
	nameBits  = 11
)

// names gives the text of each name.
var names = func() (texts [nameCount]string) {
	copy(texts[1:], strings.Fields(nameTexts))
	return texts
}()

// String gives the property's text; "" for a name that STIX 2.1 does not define.
func (n name) String() string { return names[n] }

// A nameSet holds names.
type nameSet [nameCount / 64]uint64

func (s *nameSet) add(n name)      { s[n>>6&7] |= 1 << (n & 63) }
func (s *nameSet) has(n name) bool { return s[n>>6&7]>>(n&63)&1 != 0 }

// missing gives the first name of want that s does not hold, or 0.
func (s *nameSet) missing(want *nameSet) name {
	for i := range want {
		if left := want[i] &^ s[i]; left != 0 {
			return name(i<<6 + bits.TrailingZeros64(left))
		}
	}
	return 0
}

// nameSlots is a hash table with open addressing, at most a fifth full, built once and never changed.
var nameSlots = func() (slots [1 << nameBits]name) {
	for n, text := range names {
		if text == "" {
			continue
		}
		at := nameHash(append([]byte(text), make([]byte, 8)...), 0, len(text))
		for slots[at] != 0 {
			at = (at + 1) & (1<<nameBits - 1)
		}
		slots[at] = name(n)
	}
	return slots
}()

// nameHash hashes b[i:j] by its first and last eight bytes and its length. Eight bytes after i must
// be readable.
func nameHash(b []byte, i, j int) uint64 {
	head := binary.LittleEndian.Uint64(b[i:])
	tail := head
	if n := j - i; n >= 8 {
		tail = binary.LittleEndian.Uint64(b[j-8:])
	} else {
		head &= 1<<(uint(n)*8) - 1
		tail = head
	}
	h := (head ^ bits.RotateLeft64(tail, 29) ^ uint64(j-i)) * 0x9E3779B97F4A7C15
	return h >> (64 - nameBits)
}

// lookup gives the name whose text is b[i:j], or 0. Eight bytes after i must be readable.
func lookup(b []byte, i, j int) name {
	for at := nameHash(b, i, j); ; at = (at + 1) & (1<<nameBits - 1) {
		n := nameSlots[at]
		if n == 0 || names[n] == string(b[i:j]) {
			return n
		}
	}
}

// named gives the name of a text; it panics when STIX 2.1 does not define it, so that a slip in a
// table shows at once.
func named(text string) name {
	n := lookup(append([]byte(text), make([]byte, 8)...), 0, len(text))
	if n == 0 {
		panic("stix: no property " + text)
	}
	return n
}
