// SPDX-License-Identifier: BSD-2-Clause
// Reads single values and says what is wrong with them.

#include "control/config/value.h"

#include "control/config/unit.h"

#include "postern/domain.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int config_wrong(struct config_input *in, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(in->why, CONFIG_WHY, format, args);
	va_end(args);
	return -EINVAL;
}

static int parse_bool(struct config_input *in, void *at)
{
	bool yes = strcmp(in->text, "true") == 0;
	if (!yes && strcmp(in->text, "false") != 0)
		return config_wrong(in, "%s is neither true nor false", in->quoted);
	memcpy(at, &yes, sizeof(yes));
	return 0;
}

// Numbers of every kind end here.
static int store_number(struct config_input *in, uint64_t value, void *at)
{
	const struct schema_field *f = in->field;
	if (f->type == SCHEMA_CPU) {
		if (value > UINT32_MAX || !config_cpu_allowed((uint32_t)value))
			return config_wrong(in, "there is no CPU %s for this process", in->quoted);
	} else if (value < f->minimum || value > f->maximum) {
		return config_wrong(in, "%s is out of range", in->quoted);
	}
	uint32_t small = (uint32_t)value;
	memcpy(at, &small, sizeof(small));
	return 0;
}

static int parse_number(struct config_input *in, void *at)
{
	uint64_t value;
	const char *rest = config_unit_digits(in->text, &value);
	if (!rest || *rest)
		return config_wrong(in, "%s is not a whole number", in->quoted);
	return store_number(in, value, at);
}

static int parse_quantity(struct config_input *in, void *at)
{
	const struct config_unit *units = config_units(in->field->type);
	uint64_t value;
	const char *rest = config_unit_digits(in->text, &value);
	if (!rest)
		return config_wrong(in, "%s is not a number with a unit", in->quoted);
	if (!*rest)
		return config_wrong(in, "%s has no unit", in->quoted);
	const char *unit_begin = rest + strspn(rest, " \t");
	for (const struct config_unit *u = units; u->name; u++) {
		if (unit_begin != rest && strcmp(unit_begin, u->name) == 0)
			return config_wrong(in, "%s must be written without a space", in->quoted);
		if (strcmp(rest, u->name) != 0)
			continue;
		uint64_t all;
		if (__builtin_mul_overflow(value, u->factor, &all))
			all = UINT64_MAX;
		return store_number(in, all, at);
	}
	char unit[CONFIG_QUOTE];
	return config_wrong(in, "%s has the unknown unit %s", in->quoted,
		config_quote(unit, rest, strlen(rest)));
}

static int parse_choice(struct config_input *in, void *at)
{
	for (uint32_t i = 0; in->field->choices[i]; i++) {
		if (strcmp(in->text, in->field->choices[i]) == 0) {
			memcpy(at, &i, sizeof(i));
			return 0;
		}
	}
	return config_wrong(in, "this version does not offer %s", in->quoted);
}

int config_store_text(const char *text, void *at)
{
	char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	memcpy(at, &copy, sizeof(copy));
	return 0;
}

static int check_text(struct config_input *in)
{
	if (in->length == 0)
		return config_wrong(in, "the text is empty");
	if (in->length > in->field->maximum)
		return config_wrong(
			in, "%s is longer than %u bytes", in->quoted, in->field->maximum);
	for (size_t i = 0; i < in->length; i++)
		if (iscntrl((unsigned char)in->text[i]))
			return config_wrong(in, "%s holds a control character", in->quoted);
	return 0;
}

static bool is_name_character(char c)
{
	return isascii(c) && (isalnum((unsigned char)c) || strchr("._-", c));
}

static int parse_name(struct config_input *in, void *at)
{
	for (size_t i = 0; i < in->length; i++)
		if (!is_name_character(in->text[i]))
			return config_wrong(
				in, "%s holds a character that names do not have", in->quoted);
	return config_store_text(in->text, at);
}

// RFC 1123 2.1: labels of 1 to 63 letters, digits and hyphens, no hyphen at either end. The
// underscore is let through, since Windows' DNS lets it through as well.
bool config_is_host(const char *text)
{
	for (;;) {
		size_t label = strcspn(text, ".");
		if (label == 0 || label > 63 || text[0] == '-' || text[label - 1] == '-')
			return false;
		for (size_t i = 0; i < label; i++)
			if (!is_name_character(text[i]))
				return false;
		if (!text[label])
			return true;
		text += label + 1;
	}
}

static int parse_host(struct config_input *in, void *at)
{
	struct postern_addr address;
	if (!config_is_host(in->text) || postern_addr_parse(in->text, &address) == 0)
		return config_wrong(in, "%s is not a host name", in->quoted);
	return config_store_text(in->text, at);
}

static int parse_server_name(struct config_input *in, void *at)
{
	const char *host = strncmp(in->text, "*.", 2) == 0 ? in->text + 2 : in->text;
	struct postern_addr address;
	if (!config_is_host(host) || postern_addr_parse(host, &address) == 0)
		return config_wrong(in, "%s is no name of a server", in->quoted);
	int rc = config_store_text(in->text, at);
	char *text;
	memcpy(&text, at, sizeof(text));
	for (size_t i = 0; rc == 0 && text[i]; i++)
		text[i] = (char)tolower((unsigned char)text[i]);
	return rc;
}

static int parse_domain(struct config_input *in, void *at)
{
	struct postern_domain domain;
	const char *why;
	int rc = postern_domain_read(in->text, in->length, &domain, &why);
	if (rc == -EINVAL)
		return config_wrong(in, "%s is no domain: %s", in->quoted, why);
	return rc ? rc : config_store_text(domain.text, at);
}

static int parse_path(struct config_input *in, void *at)
{
	if (in->text[0] == '/')
		return config_store_text(in->text, at);
	const char *slash = strcmp(in->folder, "/") == 0 ? "" : "/";
	char *path;
	if (asprintf(&path, "%s%s%s", in->folder, slash, in->text) < 0)
		return -ENOMEM;
	if (strlen(path) > in->field->maximum) {
		free(path);
		return config_wrong(in, "%s, from the folder of the file, is longer than %u bytes",
			in->quoted, in->field->maximum);
	}
	memcpy(at, &path, sizeof(path));
	return 0;
}

// "0000:01:00.0" or "01:00.0". Returns what follows, NULL if it is no PCI address.
static const char *pci_end(
	const char *text, unsigned *domain, unsigned *bus, unsigned *slot, unsigned *function)
{
	size_t hex = strspn(text, "0123456789abcdefABCDEF");
	int end = -1;
	*domain = 0;
	if (hex == 4)
		sscanf(text, "%4x:%2x:%2x.%1x%n", domain, bus, slot, function, &end);
	else if (hex == 2)
		sscanf(text, "%2x:%2x.%1x%n", bus, slot, function, &end);
	if (end < 0 || *slot > 31 || *function > 7)
		return NULL;
	return text[end] == '\0' || text[end] == ',' ? text + end : NULL;
}

// Drivers of virtual devices are many, and a slip is told only where it is clear what was meant.
static const char *meant_driver(const char *device, char name[static 32])
{
	static const char *const known[] = {"net_af_packet", "net_tap", "net_tun", "net_memif",
		"net_af_xdp", "net_null", "net_ring", "net_pcap", "net_vhost", "net_virtio_user"};
	const char *meant = NULL;
	size_t length = strcspn(device, ",");
	while (length > 0 && isdigit((unsigned char)device[length - 1]))
		length--;
	if (length >= 32)
		return NULL;
	memcpy(name, device, length);
	name[length] = '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t slips = (strlen(known[i]) - strlen("net_")) / 3;
		size_t d = config_distance(name, known[i]);
		if (d == 0)
			return NULL;
		if (d <= slips)
			meant = known[i];
	}
	return meant;
}

static int parse_device(struct config_input *in, void *at)
{
	unsigned domain, bus, slot, function;
	const char *rest = pci_end(in->text, &domain, &bus, &slot, &function);
	if (strpbrk(in->text, " \t"))
		return config_wrong(in, "%s holds a space", in->quoted);
	char name[32];
	const char *meant = meant_driver(in->text, name);
	if (meant)
		return config_wrong(in,
			"unknown virtual device driver \"%s\", did you mean \"%s\"?", name, meant);
	if (strncmp(in->text, "net_", 4) == 0 && isalnum((unsigned char)in->text[4]))
		return config_store_text(in->text, at);
	if (!rest)
		return config_wrong(
			in, "%s is neither a PCI address nor a virtual device", in->quoted);
	char *device;
	if (asprintf(&device, "%04x:%02x:%02x.%x%s", domain, bus, slot, function, rest) < 0)
		return -ENOMEM;
	if (strlen(device) > in->field->maximum) {
		free(device);
		return config_wrong(
			in, "%s is longer than %u bytes", in->quoted, in->field->maximum);
	}
	memcpy(at, &device, sizeof(device));
	return 0;
}

static int parse_text(struct config_input *in, void *at)
{
	int rc = check_text(in);
	if (rc)
		return rc;
	switch (in->field->type) {
	case SCHEMA_NAME:
		return parse_name(in, at);
	case SCHEMA_DOMAIN:
		return parse_domain(in, at);
	case SCHEMA_HOST:
		return parse_host(in, at);
	case SCHEMA_SERVER_NAME:
		return parse_server_name(in, at);
	case SCHEMA_PATH:
		return parse_path(in, at);
	case SCHEMA_DEVICE:
		return parse_device(in, at);
	case SCHEMA_SIP_URI:
		return config_parse_sip_uri(in, at);
	default:
		return config_store_text(in->text, at);
	}
}

static int parse(struct config_input *in, void *at)
{
	switch (in->field->type) {
	case SCHEMA_BOOL:
		return parse_bool(in, at);
	case SCHEMA_NUMBER:
	case SCHEMA_CPU:
		return parse_number(in, at);
	case SCHEMA_STATUS:
		return config_parse_status(in, at);
	case SCHEMA_DURATION:
	case SCHEMA_PERCENT:
	case SCHEMA_SIZE:
		return parse_quantity(in, at);
	case SCHEMA_CHOICE:
		return parse_choice(in, at);
	case SCHEMA_ADDRESS:
		return config_parse_address(in, at);
	case SCHEMA_PREFIX:
		return config_parse_prefix(in, at);
	case SCHEMA_NETWORK:
		return config_parse_network(in, at);
	case SCHEMA_ENDPOINT:
		return config_parse_endpoint(in, at);
	case SCHEMA_LISTEN:
		return config_parse_listen(in, at);
	case SCHEMA_PORTS:
		return config_parse_ports(in, at);
	case SCHEMA_SOCKET:
		return config_parse_socket(in, at);
	case SCHEMA_RESOLVER:
		return config_parse_resolver(in, at);
	default:
		return parse_text(in, at);
	}
}

int config_value_parse(const struct schema_field *f, const char *folder, const char *text,
	size_t length, void *at, char why[static CONFIG_WHY])
{
	struct config_input in = {
		.field = f, .folder = folder, .text = text, .length = length, .why = why};
	config_quote(in.quoted, text, length);
	// A YAML escape can make a NUL, behind which the C string would hide.
	if (memchr(text, '\0', length))
		return config_wrong(&in, "%s holds a control character", in.quoted);
	if (f->zero && strcmp(text, f->zero) == 0) {
		memset(at, 0, schema_value_size(f));
		return 0;
	}
	return parse(&in, at);
}

void config_value_spoil(const struct schema_field *f, void *at)
{
	size_t size = schema_value_size(f);
	memset(at, 0, size);
	if (f->type == SCHEMA_PREFIX || f->type == SCHEMA_NETWORK) {
		struct postern_prefix p = {.length = SCHEMA_BAD_LENGTH};
		memcpy(at, &p, sizeof(p));
	} else if (size == sizeof(uint32_t) && f->type != SCHEMA_CHOICE &&
		   f->type != SCHEMA_PORTS) {
		uint32_t bad = SCHEMA_BAD_NUMBER;
		memcpy(at, &bad, sizeof(bad));
	}
}
