// SPDX-License-Identifier: BSD-2-Clause
// Names as somebody wrote them go through normalisation into the tables of admission; a list that is
// searched from end to end must know the same. Each line of the input is a letter and a name: A allow, S
// with what is below, B block, C with what is below, R remove; anything else asks. '!' in front of a
// name: of another organisation.

#include "admit/private.h"

#include "postern/domain.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define MOST 64

static struct listed {
	struct postern_domain domain;
	uint16_t organisation;
	bool blocked, suffix;
	uint64_t id;
} list[MOST];
static unsigned n_listed;

// Nobody reads beside us, so what is left behind is freed at once: whoever still looks at it is found out.
void urcu_qsbr_call_rcu(struct rcu_head *head, void (*call)(struct rcu_head *head))
{
	call(head);
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct listed *listed(uint16_t organisation, const struct postern_domain *d)
{
	for (unsigned i = 0; i < n_listed; i++)
		if (list[i].organisation == organisation &&
			postern_domain_equal(&list[i].domain, d))
			return &list[i];
	return NULL;
}

// One spelling for a name, however it was written, and none that reads itself differently.
static void check_spelling(const char *text, size_t length, const struct postern_domain *d)
{
	struct postern_domain again;
	char other[POSTERN_DOMAIN_MAX + 2];

	must(strlen(d->text) == d->length);
	must(postern_domain_parse(d->text, d->length, &again) == 0);
	must(postern_domain_equal(d, &again));
	for (size_t i = 0; i < length; i++)
		other[i] = (char)toupper((unsigned char)text[i]);
	must(postern_domain_parse(other, length, &again) == 0);
	must(postern_domain_equal(d, &again));
	must(postern_domain_is_within(d, &again));
}

// As an operator may write it, with letters of any script: what comes out is a name like any other.
static void check_reading(const char *text, size_t length)
{
	struct postern_domain d, again;
	const char *why;

	if (postern_domain_read(text, length, &d, &why) < 0)
		return;
	must(postern_domain_parse(d.text, d.length, &again) == 0);
	must(postern_domain_equal(&d, &again));
	must(postern_domain_read(d.text, d.length, &again, &why) == 0);
	must(postern_domain_equal(&d, &again));
}

static void set(
	struct postern_policy *p, char what, uint16_t organisation, const struct postern_domain *d)
{
	static uint64_t ids;
	struct listed *l = listed(organisation, d);

	if (l == NULL && n_listed == MOST)
		return;
	if (l == NULL)
		l = &list[n_listed++];
	*l = (struct listed){
		*d, organisation, what == 'B' || what == 'C', what == 'S' || what == 'C', ++ids};
	if (l->blocked) {
		const struct postern_blocked b = {.id = ids, .domain = *d, .suffix = l->suffix};

		must(postern_policy_set_blocked(p, organisation, &b) == 0);
	} else {
		const struct postern_allowed a = {
			.id = ids, .domain = *d, .suffix = l->suffix, .proxy_fqdn = *d};

		must(postern_policy_set_allowed(p, organisation, &a) == 0);
	}
}

static void unset(struct postern_policy *p, uint16_t organisation, const struct postern_domain *d)
{
	struct listed *l = listed(organisation, d);

	must(postern_policy_remove_listed(p, organisation, d) == (l != NULL ? 0 : -ENOENT));
	if (l != NULL)
		*l = list[--n_listed];
}

static uint64_t longest(bool blocked, uint16_t organisation, const struct postern_domain *d)
{
	const struct listed *best = NULL;

	for (unsigned i = 0; i < n_listed; i++) {
		const struct listed *l = &list[i];

		if (l->organisation != organisation || l->blocked != blocked ||
			!postern_domain_is_within(d, &l->domain) ||
			!(l->suffix || l->domain.length == d->length))
			continue;
		if (best == NULL || l->domain.length > best->domain.length)
			best = l;
	}
	return best != NULL ? best->id : 0;
}

static void ask(struct postern_policy *p, uint16_t organisation, const struct postern_domain *d)
{
	const struct postern_question q = {
		.organisation = organisation, .domain = d, .proof = POSTERN_PROOF_ASSUMED};
	const uint64_t blocked = longest(true, organisation, d);
	const uint64_t allowed = longest(false, organisation, d);
	struct postern_answer a;

	postern_policy_decide(p, &q, &a);
	must(a.blocked == blocked);
	must(a.allowed == allowed);
	must(a.row == (blocked != 0          ? POSTERN_ROW_BLOCKED
			      : allowed != 0 ? POSTERN_ROW_ALLOWED_DIRECT
					     : POSTERN_ROW_OTHERWISE));
}

static void one_line(struct postern_policy *p, const char *line, size_t length)
{
	struct postern_domain d;
	uint16_t organisation = 1;
	const char what = length > 0 ? *line : 0;

	if (length < 2)
		return;
	line++;
	length--;
	if (*line == '!') {
		organisation = 2;
		line++;
		length--;
	}
	check_reading(line, length);
	if (postern_domain_parse(line, length, &d) < 0)
		return;
	check_spelling(line, length, &d);
	if (what == 'R')
		unset(p, organisation, &d);
	else if (what == 'A' || what == 'S' || what == 'B' || what == 'C')
		set(p, what, organisation, &d);
	ask(p, organisation, &d);
}

// The tables stay; they lie in memory that the leak checker does not look through.
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static struct postern_policy *tables(void)
{
	const struct postern_policy_limits limits = {.domains = 2 * MOST, .index = true};
	struct postern_policy *p;
	struct postern_switches s;

	if (__lsan_disable != NULL)
		__lsan_disable();
	must(postern_policy_new(&limits, &p) == 0);
	postern_switches_default(&s);
	s.allow_federated_users = true;
	must(postern_policy_set_organisation(p, 1, &s) == 0);
	must(postern_policy_set_organisation(p, 2, &s) == 0);
	if (__lsan_enable != NULL)
		__lsan_enable();
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct postern_policy *p;
	const char *at = (const char *)data, *const end = at + size;

	if (p == NULL)
		p = tables();
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (stop == NULL)
			stop = end;
		one_line(p, at, (size_t)(stop - at));
		at = stop + 1;
	}
	while (n_listed > 0) {
		const struct listed l = list[0];

		unset(p, l.organisation, &l.domain);
	}
	return 0;
}
