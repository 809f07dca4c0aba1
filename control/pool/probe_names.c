// SPDX-License-Identifier: BSD-2-Clause
// Whether a member's certificate proves a name that it is to have.

#include "control/pool/names.h"
#include "control/pool/probe.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct search {
	const char *fqdn;
	char *const *names;
	size_t n_names;
	bool matched;
	char *found;
	size_t size;
	size_t used;
	bool full;
};

static bool equal(const char *wanted, const char *name, size_t length)
{
	return strlen(wanted) == length && strncasecmp(wanted, name, length) == 0;
}

// Adds a name to the list. The certificate is a stranger's: what is not a plain character of a
// host name is shown as "?".
static void append(struct search *s, const char *name, size_t length)
{
	size_t separator = s->used > 0 ? 2 : 0;
	if (s->full)
		return;
	if (s->used + separator + length + sizeof(", ...") > s->size) {
		s->full = true;
		s->used += (size_t)snprintf(
			s->found + s->used, s->size - s->used, "%s...", separator ? ", " : "");
		return;
	}
	memcpy(s->found + s->used, ", ", separator);
	s->used += separator;
	for (size_t i = 0; i < length; i++)
		s->found[s->used++] = name[i] > ' ' && name[i] <= '~' ? name[i] : '?';
	s->found[s->used] = '\0';
}

static void consider(void *user, const char *name, size_t length)
{
	struct search *s = user;
	append(s, name, length);
	// Lengths are compared, so that a NUL inside a name matches nothing.
	s->matched |= s->fqdn != NULL && equal(s->fqdn, name, length);
	for (size_t i = 0; i < s->n_names; i++)
		s->matched |= equal(s->names[i], name, length);
}

bool probe_names_match(const X509 *certificate, const char *fqdn, char *const *names,
	size_t n_names, char *found, size_t size)
{
	struct search s = {
		.fqdn = fqdn, .names = names, .n_names = n_names, .found = found, .size = size};
	snprintf(found, size, "none");
	pool_names_each(certificate, false, consider, &s);
	return s.matched || (fqdn == NULL && n_names == 0);
}
