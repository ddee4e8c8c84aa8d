package stix

import "math"

// The objects inside the extensions that STIX 2.1 section 6 defines.
var (
	windowsSection = inside("PE section", "STIX 2.1 section 6.7.6", nil,
		must("name", text), may("size", natural), may("entropy", float(math.Inf(-1), math.Inf(1))), may("hashes", hashes))
	optionalHeader = inside("PE optional header", "STIX 2.1 section 6.7.6", nil,
		may("magic_hex", hexText), may("major_linker_version", anyInteger), may("minor_linker_version", anyInteger),
		may("size_of_code", natural), may("size_of_initialized_data", natural), may("size_of_uninitialized_data", natural),
		may("address_of_entry_point", anyInteger), may("base_of_code", anyInteger), may("base_of_data", anyInteger),
		may("image_base", anyInteger), may("section_alignment", anyInteger), may("file_alignment", anyInteger),
		may("major_os_version", anyInteger), may("minor_os_version", anyInteger), may("major_image_version", anyInteger),
		may("minor_image_version", anyInteger), may("major_subsystem_version", anyInteger),
		may("minor_subsystem_version", anyInteger), may("win32_version_value_hex", hexText), may("size_of_image", natural),
		may("size_of_headers", natural), may("checksum_hex", hexText), may("subsystem_hex", hexText),
		may("dll_characteristics_hex", hexText), may("size_of_stack_reserve", natural), may("size_of_stack_commit", natural),
		may("size_of_heap_reserve", natural), may("size_of_heap_commit", natural), may("loader_flags_hex", hexText),
		may("number_of_rva_and_sizes", anyInteger), may("hashes", hashes)).orOne().alone()
	alternateStream = inside("alternate data stream", "STIX 2.1 section 6.7.3", nil,
		must("name", text), may("hashes", hashes), may("size", natural))
)

// extensionShape gives the table of an extension that STIX 2.1 defines, or nil.
func extensionShape(key []byte) *shape {
	for _, s := range extensionShapes {
		if s.name == string(key) {
			return s
		}
	}
	return nil
}

var extensionShapes = []*shape{
	inside("archive-ext", "STIX 2.1 section 6.7.2", nil,
		must("contains_refs", refs("file", "directory")), may("comment", text)),
	inside("ntfs-ext", "STIX 2.1 section 6.7.3", nil,
		may("sid", text), may("alternate_data_streams", list(object(alternateStream)))).orOne(),
	inside("pdf-ext", "STIX 2.1 section 6.7.4", nil,
		may("version", text), may("is_optimized", boolean), may("document_info_dict", entriesOf(ofText)),
		may("pdfid0", text), may("pdfid1", text)).orOne(),
	inside("raster-image-ext", "STIX 2.1 section 6.7.5", nil,
		may("image_height", anyInteger), may("image_width", anyInteger), may("bits_per_pixel", anyInteger),
		may("exif_tags", entriesOf(ofTextOrInteger))).orOne(),
	inside("windows-pebinary-ext", "STIX 2.1 section 6.7.6", wholeBinary,
		must("pe_type", text), may("imphash", text), may("machine_hex", hexText), may("number_of_sections", natural),
		may("time_date_stamp", stamp), may("pointer_to_symbol_table_hex", hexText), may("number_of_symbols", natural),
		may("size_of_optional_header", natural), may("characteristics_hex", hexText), may("file_header_hashes", hashes),
		may("optional_header", object(optionalHeader)), may("sections", list(object(windowsSection)))).orOne(),
	inside("http-request-ext", "STIX 2.1 section 6.12.2", nil,
		must("request_method", text), must("request_value", text), may("request_version", text),
		may("request_header", entriesOf(ofTexts)), may("message_body_length", anyInteger), may("message_body_data_ref", ref("artifact"))),
	inside("icmp-ext", "STIX 2.1 section 6.12.3", nil,
		must("icmp_type_hex", hexText), must("icmp_code_hex", hexText)),
	inside("socket-ext", "STIX 2.1 section 6.12.4", nil,
		must("address_family", enum("AF_UNSPEC", "AF_INET", "AF_IPX", "AF_APPLETALK", "AF_NETBIOS", "AF_INET6", "AF_IRDA", "AF_BTH")),
		may("is_blocking", boolean), may("is_listening", boolean), may("options", entriesOf(ofInteger)),
		may("socket_type", enum("SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET")),
		may("socket_descriptor", natural), may("socket_handle", anyInteger)),
	inside("tcp-ext", "STIX 2.1 section 6.12.5", nil, may("src_flags_hex", hexText), may("dst_flags_hex", hexText)).orOne(),
	inside("windows-process-ext", "STIX 2.1 section 6.13.2", nil,
		may("aslr_enabled", boolean), may("dep_enabled", boolean), may("priority", text), may("owner_sid", text),
		may("window_title", text), may("startup_info", dictionary), may("integrity_level", enum("low", "medium", "high", "system"))).orOne(),
	inside("windows-service-ext", "STIX 2.1 section 6.13.3", nil,
		may("service_name", text), may("descriptions", list(text)), may("display_name", text), may("group_name", text),
		may("start_type", enum("SERVICE_AUTO_START", "SERVICE_BOOT_START", "SERVICE_DEMAND_START", "SERVICE_DISABLED", "SERVICE_SYSTEM_ALERT")),
		may("service_dll_refs", refs("file")),
		may("service_type", enum("SERVICE_KERNEL_DRIVER", "SERVICE_FILE_SYSTEM_DRIVER", "SERVICE_WIN32_OWN_PROCESS", "SERVICE_WIN32_SHARE_PROCESS")),
		may("service_status", enum("SERVICE_CONTINUE_PENDING", "SERVICE_PAUSE_PENDING", "SERVICE_PAUSED", "SERVICE_RUNNING",
			"SERVICE_START_PENDING", "SERVICE_STOP_PENDING", "SERVICE_STOPPED"))).orOne(),
	inside("unix-account-ext", "STIX 2.1 section 6.16.2", nil,
		may("gid", anyInteger), may("groups", list(text)), may("home_dir", text), may("shell", text)).orOne(),
}
