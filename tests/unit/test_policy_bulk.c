// SPDX-License-Identifier: BSD-2-Clause
// Files with many entries: read as they come, told line by line what is wrong, and all or nothing.

#include "control/policy/bulk.h"
#include "tests/unit/policy_store.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/mman.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static int file_of(const char *text, size_t length)
{
	const int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), (ssize_t)length);
	return fd;
}

typedef int (*bulk)(struct policy *p, const struct policy_file *file,
	const struct store_audit *record, policy_done done, void *user);

static int bytes_in(bulk what, const char *text, size_t length, int kind, bool dry)
{
	const struct policy_file file = {.organisation = "contoso",
		.fd = file_of(text, length),
		.dry_run = dry,
		.if_revision = POLICY_ANY_REVISION,
		.kind = kind};
	const unsigned before = told;

	return answered(before, what(policy, &file, &by, got_take, NULL));
}

static int import(const char *text)
{
	return bytes_in(policy_import, text, strlen(text), -1, false);
}

static int apply(const char *text)
{
	return bytes_in(policy_apply, text, strlen(text), -1, false);
}

// All pieces; the caller frees them.
static char *export_all(void)
{
	char *all = strdup(""), *cursor = NULL;

	do {
		const unsigned before = told;
		char *longer = NULL;

		assert_int_equal(
			answered(before, policy_export(policy, "contoso", cursor, got_take, NULL)),
			0);
		free(cursor);
		cursor = got.next ? strdup(got.next) : NULL;
		assert_true(asprintf(&longer, "%s%s", all, got.file) >= 0);
		free(all);
		all = longer;
	} while (cursor);
	return all;
}

static int ignored(const char *name)
{
	return (int)json_integer_value(json_object_get(got.ignored, name));
}

// Files as the cmdlets' objects come out of ConvertTo-Json.

static const char allowed_json[] =
	"[\r\n"
	"  {\r\n"
	"    \"Identity\": \"fabrikam.com\",\r\n"
	"    \"Domain\": \"fabrikam.com\",\r\n"
	"    \"ProxyFqdn\": \"sip.fabrikam.com\",\r\n"
	"    \"VerificationLevel\": 2,\r\n"
	"    \"MarkForMonitoring\": true,\r\n"
	"    \"Comment\": \"Contact: Ken \\u2013 kenmyer\",\r\n"
	"    \"Element\": {\"Name\": {\"LocalName\": \"AllowedDomain\"}, \"Domain\": \"no\"},\r\n"
	"    \"ScopeClass\": \"Global\"\r\n"
	"  },\r\n"
	"  {\r\n"
	"    \"Identity\": \"PUSH.lync.com\",\r\n"
	"    \"Domain\": \"PUSH.lync.com\",\r\n"
	"    \"ProxyFqdn\": null,\r\n"
	"    \"VerificationLevel\": \"AlwaysVerifiable\",\r\n"
	"    \"MarkForMonitoring\": false,\r\n"
	"    \"Comment\": null\r\n"
	"  }\r\n"
	"]\r\n";

static void test_allowed_domains_of_powershell(void **state)
{
	(void)state;
	assert_int_equal(import(allowed_json), 0);
	assert_int_equal(got.added, 2);
	assert_int_equal(json_object_size(got.ignored), 2);
	assert_int_equal(ignored("Element"), 1);
	assert_int_equal(ignored("ScopeClass"), 1);
	assert_int_equal(show(POLICY_ALLOWED, "fabrikam.com"), 0);
	assert_string_equal(value("proxy-fqdn"), "sip.fabrikam.com");
	assert_string_equal(value("verification-level"), "UseSourceVerification");
	assert_string_equal(value("mark-for-monitoring"), "true");
	assert_string_equal(value("note"), "Contact: Ken \xe2\x80\x93 kenmyer");
	assert_int_equal(show(POLICY_ALLOWED, "push.lync.com"), 0);
	assert_string_equal(value("verification-level"), "AlwaysVerifiable");
	// Again, and nothing is new.
	assert_int_equal(import(allowed_json), 0);
	assert_int_equal(got.unchanged, 2);
	assert_int_equal(got.added + got.changed, 0);
}

static void test_all_cmdlets_in_one_list(void **state)
{
	(void)state;
	assert_int_equal(
		import("[{\"Identity\":\"a.example\",\"Domain\":\"a.example\",\"ProxyFqdn\":null,"
		       "\"VerificationLevel\":1,\"MarkForMonitoring\":false,\"Comment\":null},"
		       "{\"Identity\":\"evil.example\",\"Domain\":\"evil.example\","
		       "\"Comment\":\"spam\"},"
		       "{\"Identity\":\"LyncOnline\",\"Name\":\"LyncOnline\","
		       "\"ProxyFqdn\":\"sipfed.online.lync.com\",\"VerificationLevel\":2,"
		       "\"Enabled\":true,\"EnabledSharedAddressSpace\":false,"
		       "\"HostsOCSUsers\":false,\"IsLocal\":false,\"AutodiscoverUrl\":\"\"},"
		       "{\"Identity\":\"MSN\",\"Name\":\"MSN\",\"Enabled\":false,"
		       "\"ProxyFqdn\":\"federation.messenger.msn.com\","
		       "\"VerificationLevel\":0,\"IconUrl\":\"\"},"
		       "{\"Identity\":\"Global\",\"AllowAnonymousUsers\":true,"
		       "\"AllowFederatedUsers\":true,\"BeClearingHouse\":false,"
		       "\"EnablePartnerDiscovery\":true,"
		       "\"DiscoveredPartnerVerificationLevel\":2,"
		       "\"OutgoingTlsCountForFederatedPartners\":2,"
		       "\"RoutingMethod\":\"UseDnsSrvRouting\"}]"),
		0);
	assert_int_equal(got.added, 4);
	assert_int_equal(got.changed, 1);
	assert_int_equal(ignored("AllowAnonymousUsers"), 1);
	assert_int_equal(ignored("BeClearingHouse"), 1);
	assert_int_equal(ignored("AutodiscoverUrl"), 1);
	assert_int_equal(ignored("IconUrl"), 1);
	assert_int_equal(show(POLICY_ALLOWED, "a.example"), 0);
	assert_string_equal(value("verification-level"), "AlwaysUnverifiable");
	assert_int_equal(show(POLICY_BLOCKED, "evil.example"), 0);
	assert_string_equal(value("note"), "spam");
	assert_int_equal(show(POLICY_PROVIDER, "LyncOnline"), 0);
	assert_string_equal(value("kind"), "hosting");
	assert_string_equal(value("enabled"), "true");
	assert_string_equal(value("verification-level"), "UseSourceVerification");
	assert_int_equal(show(POLICY_PROVIDER, "MSN"), 0);
	assert_string_equal(value("kind"), "public");
	assert_string_equal(value("verification-level"), "AlwaysVerifiable");
	assert_int_equal(show(POLICY_SWITCHES, NULL), 0);
	assert_string_equal(value("EnablePartnerDiscovery"), "true");
	assert_int_equal(decide("evil.example").row, POSTERN_ROW_BLOCKED);
	assert_int_equal(decide("a.example").row, POSTERN_ROW_ALLOWED_SRV);
}

static void test_default_routing_of_powershell(void **state)
{
	(void)state;
	assert_int_equal(import("{\"Identity\":\"Global\",\"AllowFederatedUsers\":true,"
				"\"RoutingMethod\":1,\"DefaultRouteFqdn\":\"clearing.example\","
				"\"VerificationLevel\":1}"),
		0);
	assert_int_equal(show(POLICY_SWITCHES, NULL), 0);
	assert_string_equal(value("RoutingMethod"), "UseDefaultRouting");
	assert_string_equal(value("DefaultRouteFqdn"), "clearing.example");
	assert_string_equal(value("DefaultRouteVerificationLevel"), "AlwaysUnverifiable");
	assert_int_equal(decide("anybody.example").row, POSTERN_ROW_DEFAULT_ROUTE);
}

// As Out-File of Windows PowerShell writes it: UTF-16, little end first, with a mark or without.
static void test_utf16(void **state)
{
	(void)state;
	static const char text[] =
		"{\"Identity\":\"b\xc3\xbc"
		"cher.example\",\"Domain\":\"b\xc3\xbc"
		"cher.example\",\"ProxyFqdn\":null,\"Comment\":\"\xf0\x9f\x98\x80\"}";
	for (int form = 0; form < 4; form++) {
		unsigned char wide[1024];
		size_t n = 0;

		if (form < 2) {
			wide[n++] = form == 0 ? 0xff : 0xfe;
			wide[n++] = form == 0 ? 0xfe : 0xff;
		}
		for (size_t i = 0; i < sizeof(text) - 1; i++) {
			uint16_t units[2] = {(unsigned char)text[i], 0};

			if ((unsigned char)text[i] == 0xc3) {
				units[0] = 0xfc;
				i++;
			} else if ((unsigned char)text[i] == 0xf0) {
				units[0] = 0xd83d;
				units[1] = 0xde00;
				i += 3;
			}
			for (size_t u = 0; u < 2 && (u == 0 || units[u]); u++) {
				const bool big = form % 2 == 1;

				wide[n++] = (unsigned char)(big ? units[u] >> 8 : units[u]);
				wide[n++] = (unsigned char)(big ? units[u] : units[u] >> 8);
			}
		}
		assert_int_equal(bytes_in(policy_import, (const char *)wide, n, -1, false), 0);
		assert_int_equal(form == 0 ? got.added : got.unchanged, 1);
	}
	assert_int_equal(show(POLICY_ALLOWED, "xn--bcher-kva.example"), 0);
	assert_string_equal(value("note"), "\xf0\x9f\x98\x80");
	assert_int_equal(import("\xef\xbb\xbf"
				"domain,proxy-fqdn\na.example,\n"),
		0);
	assert_int_equal(got.added, 1);
}

static void test_csv(void **state)
{
	(void)state;
	// As Export-Csv writes it, and as spreadsheets do.
	assert_int_equal(
		import("#TYPE Microsoft.Rtc.Management.AllowedDomain\r\n"
		       "\"Identity\",\"Domain\",\"ProxyFqdn\",\"VerificationLevel\","
		       "\"MarkForMonitoring\",\"Comment\",\"Element\"\r\n"
		       "\"a.example\",\"a.example\",\"sip.a.example\","
		       "\"UseSourceVerification\",\"False\",\"two \"\"quotes\"\", a comma\","
		       "\"x\"\r\n"
		       "\r\n"
		       "\"b.example\",\"b.example\",,\"AlwaysVerifiable\",\"True\",,\r\n"),
		0);
	assert_int_equal(got.added, 2);
	assert_int_equal(ignored("Element"), 1);
	assert_int_equal(show(POLICY_ALLOWED, "a.example"), 0);
	assert_string_equal(value("note"), "two \"quotes\", a comma");
	assert_int_equal(import("sep=;\nprefixes;domain;admission\n"
				"\"192.0.2.0/24;198.51.100.0/24\";c.example;observe"),
		-EINVAL);
	expect_mistake("cannot be told");
	assert_int_equal(import("sep=;\nprefixes;domain;verification-level\n"
				"\"192.0.2.0/24;198.51.100.0/24\";c.example;\n"),
		0);
	assert_int_equal(show(POLICY_ALLOWED, "c.example"), 0);
	assert_int_equal(json_array_size(json_object_get(got.entry, "prefixes")), 2);
	// Names alone may be meant either way: somebody says so.
	assert_int_equal(import("domain\nd.example\n"), -EINVAL);
	expect_mistake("1 kind: ");
	assert_int_equal(bytes_in(policy_import, "domain\nd.example\n", 17, 1, false), 0);
	assert_int_equal(show(POLICY_BLOCKED, "d.example"), 0);
}

// What is not in the file stays.
static void test_import_keeps_the_rest(void **state)
{
	(void)state;
	assert_int_equal(add(POLICY_ALLOWED, "domain=a.example;admission=observe;note=x"), 0);
	assert_int_equal(import("domain,proxy-fqdn\na.example,sip.a.example\n"), 0);
	assert_int_equal(got.changed, 1);
	assert_int_equal(show(POLICY_ALLOWED, "a.example"), 0);
	assert_string_equal(value("admission"), "observe");
	assert_string_equal(value("proxy-fqdn"), "sip.a.example");
	assert_string_equal(value("note"), "x");
}

static void test_every_mistake_is_told(void **state)
{
	(void)state;
	assert_int_equal(add(POLICY_BLOCKED, "domain=blocked.example"), 0);
	assert_int_equal(import("domain,proxy-fqdn,verification-level\n"
				"good.example,,\n"
				"a..b,,\n"
				"c.example,,perhaps\n"
				"d.example,\n"
				"blocked.example,,\n"
				"contoso.com,,\n"
				"GOOD.example.,,\n"
				"\"e.example,,\n"),
		-EINVAL);
	expect_mistake("3 domain: \"a..b\" is no domain");
	expect_mistake("4 verification-level: \"perhaps\"");
	expect_mistake("5 : here are 2 columns, and the first line has 3");
	expect_mistake("6 domain: blocked.example is blocked already");
	expect_mistake("7 domain: contoso.com is one of our own");
	expect_mistake("8 domain: good.example stands on line 2 already");
	expect_mistake("9 : a quote is opened and not closed");
	assert_int_equal(show(POLICY_ALLOWED, "good.example"), -ENOENT);
	assert_int_equal(decide("good.example").allowed, 0);
	assert_int_equal(import("[\n{\"Domain\":\"a.example\",\"ProxyFqdn\":1.5},\n"
				"{\"Domain\":\"b.example\",\n\"ProxyFqdn\":null,\n"
				"\"VerificationLevel\":7},\n"
				"{\"Domain\":\"c.example\",\"ProxyFqdn\":null,}\n"
				"{\"Domain\":\"d.example\"}]"),
		-EINVAL);
	expect_mistake("2 proxy-fqdn: ");
	expect_mistake("5 verification-level: ");
	expect_mistake("6 : ");
	expect_mistake("7 : a \",\" or the closing");
}

static void test_what_is_no_file(void **state)
{
	(void)state;
	static const char *const texts[] = {"", " \r\n", "[", "{", "[]x", "{\"Domain\":", "[1]",
		"[{\"Identity\":\"a.example\"}]", "\x00\x01\x02", "\"", "domain\n",
		"domain,domain\na,b\n", "proxy-fqdn\nx.example\n"};
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(import(texts[i]), -EINVAL);
		assert_true(got.n_mistakes > 0);
	}
	assert_int_equal(import("[]"), 0);
	assert_int_equal(got.added, 0);
}

static void test_dry_run(void **state)
{
	(void)state;
	static const char text[] = "domain,proxy-fqdn\na.example,sip.a.example\n";

	assert_int_equal(bytes_in(policy_import, text, sizeof(text) - 1, -1, true), 0);
	assert_int_equal(got.added, 1);
	assert_int_equal(json_array_size(got.differences), 1);
	assert_int_equal(show(POLICY_ALLOWED, "a.example"), -ENOENT);
	assert_int_equal(got.revision, 0);
}

static const char policy_file[] = "organisation: contoso\n"
				  "switches:\n"
				  "  AllowFederatedUsers: true\n"
				  "  MaxContactsPerDiscoveredPartner: 5\n"
				  "allowed-domains:\n"
				  "  - {domain: a.example, proxy-fqdn: sip.a.example}\n"
				  "  - b.example\n"
				  "  - domain: Stra\xc3\x9f"
				  "e.example\n"
				  "    prefixes: [192.0.2.0/24, \"2001:db8::/32\"]\n"
				  "    further-names: [x.example, y.example]\n"
				  "    note: 'yes: \"quoted\" \\ #'\n"
				  "    enabled: no\n"
				  "blocked-domains:\n"
				  "  - {domain: evil.example, suffix: true}\n"
				  "providers:\n"
				  "  - {name: \"Skype for Business\", kind: hosting, proxy-fqdn: "
				  "sipfed.online.lync.com, enabled: true}\n";

static void test_apply_makes_equal(void **state)
{
	(void)state;
	assert_int_equal(add(POLICY_ALLOWED, "domain=evil.example"), 0);
	assert_int_equal(add(POLICY_ALLOWED, "domain=b.example;note=x"), 0);
	assert_int_equal(add(POLICY_BLOCKED, "domain=a.example"), 0);
	assert_int_equal(bytes_in(policy_apply, policy_file, sizeof(policy_file) - 1, -1, true), 0);
	assert_int_equal(got.added, 4);
	assert_int_equal(got.changed, 2);
	assert_int_equal(got.removed, 2);
	assert_int_equal(show(POLICY_ALLOWED, "evil.example"), 0);
	assert_int_equal(apply(policy_file), 0);
	assert_int_equal(got.added, 4);
	assert_int_equal(got.changed, 2);
	assert_int_equal(got.removed, 2);
	assert_int_equal(show(POLICY_ALLOWED, "b.example"), 0);
	assert_null(value("note"));
	assert_int_equal(show(POLICY_ALLOWED, "xn--strae-oqa.example"), 0);
	assert_string_equal(value("note"), "yes: \"quoted\" \\ #");
	// What changed its list is there as what it is now.
	assert_int_equal(decide("www.evil.example").row, POSTERN_ROW_BLOCKED);
	assert_int_equal(decide("a.example").row, POSTERN_ROW_ALLOWED_DIRECT);
	assert_int_equal(apply(policy_file), 0);
	assert_int_equal(got.added + got.changed + got.removed, 0);
	assert_int_equal(got.unchanged, 6);
}

static void test_export_reads_back(void **state)
{
	(void)state;
	assert_int_equal(apply(policy_file), 0);
	char *text = export_all();
	assert_int_equal(apply(text), 0);
	assert_int_equal(got.added + got.changed + got.removed, 0);
	// Into an empty one.
	assert_int_equal(apply("organisation: contoso\n"), 0);
	assert_int_equal(got.removed, 5);
	assert_int_equal(apply(text), 0);
	assert_int_equal(got.added, 5);
	char *again = export_all();
	assert_string_equal(again, text);
	free(again);
	free(text);
}

static void test_apply_tells_every_mistake(void **state)
{
	(void)state;
	assert_int_equal(apply("organisation: litware\n"
			       "switches: {NoSuchSwitch: 1}\n"
			       "allowed-domains:\n"
			       "  - {domain: a..b}\n"
			       "  - {domain: c.example, proxy-fqdn: [1, 2]}\n"
			       "  - {proxy-fqdn: x.example}\n"
			       "  - c.example\n"
			       "partners: []\n"),
		-EINVAL);
	expect_mistake("1 organisation: this is a policy of another");
	expect_mistake("2 NoSuchSwitch: there is no such key");
	expect_mistake("4 domain: \"a..b\"");
	expect_mistake("5 proxy-fqdn: ");
	expect_mistake("6 domain: it is missing");
	expect_mistake("7 domain: c.example stands on line 5 already");
	expect_mistake("8 partners: there is no such key");
	assert_int_equal(apply("allowed-domains: [c.example, contoso.com]\n"
			       "blocked-domains: [c.example]\n"),
		-EINVAL);
	expect_mistake("1 domain: contoso.com is one of our own");
	expect_mistake("2 domain: c.example is allowed already");
	assert_int_equal(apply(""), -EINVAL);
	assert_int_equal(apply("a: [b\n"), -EINVAL);
	assert_int_equal(apply("- a\n"), -EINVAL);
	assert_int_equal(show(POLICY_ALLOWED, "c.example"), -ENOENT);
}

static void test_export_in_pieces(void **state)
{
	(void)state;
	enum {
		MANY = 20000
	};
	char *text = malloc(MANY * 32 + 64);
	size_t n = (size_t)sprintf(text, "domain,proxy-fqdn\n");

	for (int i = 0; i < MANY; i++)
		n += (size_t)sprintf(text + n, "d%05d.example,p%d.example\n", i, i);
	assert_int_equal(import(text), 0);
	assert_int_equal(got.added, MANY);
	free(text);
	char *all = export_all();
	assert_int_equal(apply(all), 0);
	assert_int_equal(got.unchanged, MANY + 1);
	assert_int_equal(got.added + got.changed + got.removed, 0);
	free(all);
	// A change between two pieces is noticed.
	unsigned before = told;
	assert_int_equal(
		answered(before, policy_export(policy, "contoso", NULL, got_take, NULL)), 0);
	char *cursor = strdup(got.next);
	assert_int_equal(add(POLICY_BLOCKED, "domain=z.example"), 0);
	before = told;
	assert_int_equal(answered(before, policy_export(policy, "contoso", cursor, got_take, NULL)),
		-ESTALE);
	free(cursor);
}

static char *file_with(const char *begin, const char *line, unsigned n)
{
	size_t length;
	char *text = NULL;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(to);
	fputs(begin, to);
	for (unsigned i = 0; i < n; i++)
		fprintf(to, line, i, i);
	fclose(to);
	return text;
}

// Files may be large, and what is told of them is told in one answer.
static void test_what_is_told_is_bounded(void **state)
{
	(void)state;
	char *properties =
		file_with("[{\"Domain\":\"a.example\",\"ProxyFqdn\":null", ",\"p%u\":%u", 3000);
	char *whole = NULL;

	assert_true(asprintf(&whole, "%s}]", properties) > 0);
	assert_int_equal(import(whole), 0);
	assert_int_equal(got.added, 1);
	assert_int_equal(json_object_size(got.ignored), 1000);
	free(properties);
	free(whole);
	char *wrong =
		file_with("allowed-domains:\n", "  - {domain: d%u..example, note: n%u}\n", 3000);
	assert_int_equal(apply(wrong), -EINVAL);
	assert_int_equal(got.more_mistakes, 2900);
	free(wrong);
}

// ---- While somebody asks

#define ASKED_ABOUT 500

static bool no_more; // atomic

// What a partner is answered is what the file says or said, never half of it.
static void *ask_on(void *wrong)
{
	for (unsigned n = 0; !__atomic_load_n(&no_more, __ATOMIC_RELAXED); n++) {
		struct postern_question q = {
			.direction = POSTERN_INBOUND, .proof = POSTERN_PROOF_ASSUMED};
		struct postern_domain domain;
		struct postern_answer a;
		char text[2][64];

		snprintf(text[0], sizeof(text[0]), "d%u.example", n % ASKED_ABOUT);
		snprintf(text[1], sizeof(text[1]), "sip.d%u.example", n % ASKED_ABOUT);
		if (postern_domain_parse(text[0], strlen(text[0]), &domain) != 0)
			return wrong;
		q.domain = &domain;
		postern_policy_decide(tables, &q, &a);
		const bool admitted = a.row == POSTERN_ROW_ALLOWED_DIRECT &&
				      a.outcome == POSTERN_ADMIT &&
				      strcmp(a.peer.text, text[1]) == 0;
		if (!admitted && a.row != POSTERN_ROW_BLOCKED && a.row != POSTERN_ROW_OTHERWISE)
			return wrong;
	}
	return NULL;
}

static void test_somebody_asks_meanwhile(void **state)
{
	(void)state;
	pthread_t asker;
	void *said = NULL;
	char *allowed =
		file_with("domain,proxy-fqdn\n", "d%u.example,sip.d%u.example\n", ASKED_ABOUT);
	char *blocked = file_with("switches: {AllowFederatedUsers: true}\nblocked-domains:\n",
		"  - {domain: d%u.example, note: \"%u\"}\n", ASKED_ABOUT);
	char *none = file_with("switches: {AllowFederatedUsers: true}\n", "# %u %u\n", 1);

	assert_int_equal(policy_organisation_id(policy, "contoso"), 0);
	assert_int_equal(set_entry(POLICY_SWITCHES, "AllowFederatedUsers=true"), 0);
	__atomic_store_n(&no_more, false, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&asker, NULL, ask_on, &no_more), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(import(allowed), 0);
		assert_int_equal(got.added, ASKED_ABOUT);
		assert_int_equal(decide("d7.example").row, POSTERN_ROW_ALLOWED_DIRECT);
		assert_int_equal(apply(blocked), 0);
		assert_int_equal(decide("d7.example").row, POSTERN_ROW_BLOCKED);
		assert_int_equal(apply(none), 0);
		assert_int_equal(decide("d7.example").row, POSTERN_ROW_OTHERWISE);
	}
	__atomic_store_n(&no_more, true, __ATOMIC_RELAXED);
	pthread_join(asker, &said);
	assert_null(said);
	free(allowed);
	free(blocked);
	free(none);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, policy_setup, policy_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_allowed_domains_of_powershell),
		TEST(test_all_cmdlets_in_one_list),
		TEST(test_default_routing_of_powershell),
		TEST(test_utf16),
		TEST(test_csv),
		TEST(test_import_keeps_the_rest),
		TEST(test_every_mistake_is_told),
		TEST(test_what_is_no_file),
		TEST(test_dry_run),
		TEST(test_apply_makes_equal),
		TEST(test_export_reads_back),
		TEST(test_apply_tells_every_mistake),
		TEST(test_export_in_pieces),
		TEST(test_what_is_told_is_bounded),
		TEST(test_somebody_asks_meanwhile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
