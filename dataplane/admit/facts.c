// SPDX-License-Identifier: BSD-2-Clause
// DNS facts as one block of memory: the targets, then all their addresses, then all their names. And out of
// it again, as copies for the control half.

#include "admit/private.h"

#include <errno.h>

const struct admit_facts *admit_facts_new(struct postern_policy *p, const struct postern_facts *f)
{
	size_t addresses = sizeof(struct admit_facts) + f->n_targets * sizeof(struct admit_target);
	size_t size;
	struct admit_facts *out;

	// Nothing in the block needs more than the alignment of a pointer.
	addresses = (addresses + 7) & ~(size_t)7;
	size = addresses;
	for (unsigned i = 0; i < f->n_targets; i++)
		size += f->targets[i].n_addresses * sizeof(struct postern_addr);
	size_t names = size;

	for (unsigned i = 0; i < f->n_targets; i++)
		size += f->targets[i].name.length;
	out = admit_blob_new(p, size);
	if (out == NULL)
		return NULL;
	memset(out, 0, sizeof(*out));
	out->wall_us = f->wall_us;
	out->state = (uint8_t)f->state;
	out->n_targets = (uint8_t)f->n_targets;
	for (unsigned i = 0; i < f->n_targets; i++) {
		const struct postern_target *t = &f->targets[i];
		const size_t n_bytes = t->n_addresses * sizeof(struct postern_addr);

		out->targets[i] = (struct admit_target){
			.hash = admit_name_hash(t->name.text, t->name.length),
			.name = (uint32_t)names,
			.addresses = (uint32_t)addresses,
			.n_addresses = (uint16_t)t->n_addresses,
			.priority = t->priority,
			.weight = t->weight,
			.port = t->port,
			.length = t->name.length,
		};
		if (n_bytes > 0)
			memcpy((char *)out + addresses, t->addresses, n_bytes);
		memcpy((char *)out + names, t->name.text, t->name.length);
		addresses += n_bytes;
		names += t->name.length;
	}
	return out;
}

static void copy_out(const struct admit_facts *f, struct postern_facts_copy *out)
{
	out->facts = (struct postern_facts){
		.state = (enum postern_facts_state)f->state,
		.wall_us = f->wall_us,
		.targets = out->targets,
		.n_targets = f->n_targets,
	};
	for (unsigned i = 0; i < f->n_targets; i++) {
		const struct admit_target *t = &f->targets[i];
		struct postern_target *to = &out->targets[i];

		*to = (struct postern_target){
			.name = {.length = t->length},
			.priority = t->priority,
			.weight = t->weight,
			.port = t->port,
			.addresses = out->addresses[i],
			.n_addresses = t->n_addresses,
		};
		memcpy(to->name.text, (const char *)f + t->name, t->length);
		memcpy(out->addresses[i], admit_target_addresses(f, t),
			t->n_addresses * sizeof(struct postern_addr));
	}
}

int postern_policy_get_facts(struct postern_policy *p, const struct postern_domain *domain,
	struct postern_facts_copy *out)
{
	const struct admit_entry *e;
	int rc = -ENOENT;

	rcu_register_thread();
	e = admit_table_find(p, domain->text, domain->length);
	if (e != NULL && e->facts != NULL) {
		copy_out(e->facts, out);
		rc = 0;
	}
	rcu_unregister_thread();
	return rc;
}

unsigned postern_policy_get_host(struct postern_policy *p, const struct postern_domain *host,
	struct postern_addr addresses[static POSTERN_ADDRESSES_MAX], uint64_t *wall_us)
{
	const struct admit_entry *e;
	unsigned n = 0;

	*wall_us = 0;
	rcu_register_thread();
	e = admit_table_find(p, host->text, host->length);
	if (e != NULL && e->host != NULL) {
		n = e->host->n;
		*wall_us = e->host->wall_us;
		memcpy(addresses, e->host->addresses, n * sizeof(*addresses));
	}
	rcu_unregister_thread();
	return n;
}
