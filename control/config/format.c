// SPDX-License-Identifier: BSD-2-Clause
// Writes single values, and describes what they may be.

#include "control/config/unit.h"
#include "control/config/value.h"

#include <ctype.h>
#include <string.h>

// Plain where no YAML reader can take it for anything else.
static bool is_plain(const char *text)
{
	static const char *const special[] = {
		"null", "true", "false", "yes", "no", "on", "off", NULL};
	for (const char *const *s = special; *s; s++)
		if (strcasecmp(text, *s) == 0)
			return false;
	if (!isascii(*text) || (!isalpha((unsigned char)*text) && *text != '/'))
		return false;
	for (const char *c = text; *c; c++)
		if (!isascii(*c) || (!isalnum((unsigned char)*c) && !strchr("._-/", *c)))
			return false;
	return true;
}

static void print_text(FILE *to, const char *text)
{
	if (is_plain(text)) {
		fputs(text, to);
		return;
	}
	fputc('"', to);
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', to);
		fputc(*c, to);
	}
	fputc('"', to);
}

// With the largest unit that loses nothing.
static void print_quantity(FILE *to, const struct config_unit *units, uint32_t value)
{
	const struct config_unit *best = units;
	for (const struct config_unit *u = units; u->name; u++)
		if (value != 0 && value % u->factor == 0)
			best = u;
	fprintf(to, "%u%s", value / best->factor, best->name);
}

static void print_number(FILE *to, const struct schema_field *f, uint32_t value)
{
	if (f->zero && value == 0)
		fputs(f->zero, to);
	else if (f->type == SCHEMA_STATUS && value < 10)
		fprintf(to, "%uxx", value);
	else if (f->type == SCHEMA_CHOICE)
		fputs(f->choices[value], to);
	else if (config_units(f->type))
		print_quantity(to, config_units(f->type), value);
	else
		fprintf(to, "%u", value);
}

static void print_address(FILE *to, const char *text)
{
	fprintf(to, strchr(text, ':') ? "\"%s\"" : "%s", text);
}

static void print_socket(FILE *to, const struct schema_field *f, const void *at)
{
	char text[POSTERN_ENDPOINT_TEXT];
	struct postern_endpoint e;
	memcpy(&e, at, sizeof(e));
	if (f->zero && e.port == 0)
		fputs(f->zero, to);
	else
		print_address(to, postern_endpoint_format(&e, text));
}

void config_value_print(FILE *to, const struct schema_field *f, const void *at)
{
	char text[CONFIG_LISTEN_TEXT];
	_Static_assert(sizeof(text) >= POSTERN_ADDR_TEXT && sizeof(text) >= POSTERN_PREFIX_TEXT,
		"one buffer for all");
	bool yes;
	uint32_t number;
	const char *string;
	switch (f->type) {
	case SCHEMA_BOOL:
		memcpy(&yes, at, sizeof(yes));
		fputs(yes ? "true" : "false", to);
		break;
	case SCHEMA_ADDRESS:
		print_address(to, postern_addr_format(at, text));
		break;
	case SCHEMA_PREFIX:
	case SCHEMA_NETWORK:
		print_address(to, postern_prefix_format(at, text));
		break;
	case SCHEMA_SOCKET:
		print_socket(to, f, at);
		break;
	case SCHEMA_ENDPOINT:
	case SCHEMA_RESOLVER:
		print_address(to, postern_endpoint_format(at, text));
		break;
	case SCHEMA_LISTEN:
		print_address(to, config_listen_format(at, text));
		break;
	case SCHEMA_PORTS:
		fputs(config_ports_format(at, text), to);
		break;
	case SCHEMA_NAME:
	case SCHEMA_TEXT:
	case SCHEMA_HOST:
	case SCHEMA_SERVER_NAME:
	case SCHEMA_DOMAIN:
	case SCHEMA_PATH:
	case SCHEMA_DEVICE:
	case SCHEMA_SIP_URI:
		memcpy(&string, at, sizeof(string));
		if (string)
			print_text(to, string);
		break;
	case SCHEMA_OBJECT:
		break;
	default:
		memcpy(&number, at, sizeof(number));
		print_number(to, f, number);
		break;
	}
}

static void expect_quantity(struct config_words *w, const struct schema_field *f, const char *what)
{
	char low[32], high[32];
	FILE *to = fmemopen(low, sizeof(low), "w");
	FILE *too = fmemopen(high, sizeof(high), "w");
	if (to && too) {
		print_quantity(to, config_units(f->type), f->minimum);
		print_quantity(too, config_units(f->type), f->maximum);
	}
	if (to)
		fclose(to);
	if (too)
		fclose(too);
	if (!to || !too)
		return;
	w->length = (size_t)snprintf(w->text, sizeof(w->text), "%s from %s to %s%s%s", what, low,
		high, f->zero ? ", or " : "", f->zero ? f->zero : "");
}

static void expect_object(struct config_words *w, const struct schema_object *o)
{
	config_words_begin(w, "a mapping with the keys ");
	for (size_t i = 0; i < o->count; i++)
		config_words_add(w, o->fields[i].key);
}

static void expect_number(struct config_words *w, const struct schema_field *f)
{
	w->length = (size_t)snprintf(w->text, sizeof(w->text), "a whole number from %u to %u%s%s",
		f->minimum, f->maximum, f->zero ? ", or " : "", f->zero ? f->zero : "");
}

static void expect_choice(struct config_words *w, const struct schema_field *f)
{
	config_words_begin(w, f->choices[1] ? "one of: " : "only: ");
	for (const char *const *c = f->choices; *c; c++)
		config_words_add(w, *c);
}

static const char *fixed_expectation(enum schema_type type)
{
	switch (type) {
	case SCHEMA_BOOL:
		return "true or false";
	case SCHEMA_NAME:
		return "a name of 1 to 63 letters, digits, '.', '_' or '-'";
	case SCHEMA_TEXT:
		return "a text on one line";
	case SCHEMA_HOST:
		return "a host name such as fe1.example.net";
	case SCHEMA_SERVER_NAME:
		return "a name such as sip.example.net, or \"*.example.net\"";
	case SCHEMA_DOMAIN:
		return "a SIP domain such as example.net";
	case SCHEMA_PATH:
		return "a path";
	case SCHEMA_DEVICE:
		return "a PCI address such as \"0000:01:00.0\" or a virtual device such as "
		       "\"net_af_packet0,iface=eth1\"";
	case SCHEMA_SIP_URI:
		return "a URI such as sip:probe@example.net, in ASCII";
	case SCHEMA_STATUS:
		return "a status from 200 to 699 or a class of them such as 4xx";
	case SCHEMA_ADDRESS:
		return "an address of one host such as 192.0.2.1 or \"2001:db8::1\"";
	case SCHEMA_PREFIX:
		return "an address with the length of its prefix such as 192.0.2.1/24 or "
		       "\"2001:db8::1/64\"";
	case SCHEMA_NETWORK:
		return "a network such as 192.0.2.0/24 or \"2001:db8::/32\"";
	case SCHEMA_ENDPOINT:
		return "an address of one host with a port from 1 to 65535 such as "
		       "\"192.0.2.1:5061\" or \"[2001:db8::1]:5061\"";
	case SCHEMA_LISTEN:
		return "an address of one host with a port from 1 to 65535 or a range of them, "
		       "such "
		       "as \"192.0.2.1:5061\", \"[2001:db8::1]:5061\" or "
		       "\"192.0.2.1:50000-59999\"";
	case SCHEMA_RESOLVER:
		return "an address of one host, with a port if it is not 53, such as 192.0.2.53 or "
		       "\"[2001:db8::53]:5353\"";
	case SCHEMA_PORTS:
		return "a port from 1 to 65535 or a range of them such as 50000-59999";
	case SCHEMA_SOCKET:
		return "an address of this machine's kernel with a port from 1 to 65535 such as "
		       "\"127.0.0.1:9464\" or \"[::1]:9464\"";
	default:
		return "";
	}
}

const char *config_value_expect(const struct schema_field *f, char buf[static CONFIG_EXPECT])
{
	struct config_words w;
	config_words_begin(&w, fixed_expectation(f->type));
	switch (f->type) {
	case SCHEMA_NUMBER:
		expect_number(&w, f);
		break;
	case SCHEMA_CPU:
		config_words_begin(&w, "a CPU of ");
		config_cpu_describe(&w);
		break;
	case SCHEMA_DURATION:
		expect_quantity(&w, f, "a duration with its unit (ms, s, m, h)");
		break;
	case SCHEMA_PERCENT:
		expect_quantity(&w, f, "a percentage");
		break;
	case SCHEMA_SIZE:
		expect_quantity(&w, f, "a size with its unit (MB, GB)");
		break;
	case SCHEMA_CHOICE:
		expect_choice(&w, f);
		break;
	case SCHEMA_SOCKET:
		if (f->zero)
			w.length += (size_t)snprintf(
				w.text + w.length, sizeof(w.text) - w.length, ", or %s", f->zero);
		break;
	case SCHEMA_OBJECT:
		expect_object(&w, f->object);
		break;
	default:
		break;
	}
	memcpy(buf, w.text, sizeof(w.text));
	return buf;
}
