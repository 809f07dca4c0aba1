// SPDX-License-Identifier: BSD-2-Clause
// The index for tables that are full already: whoever has names and addresses gets a home first, and the
// sweep then enters them one after the other.

#include "admit/private.h"

#include <errno.h>

static int home_for(struct postern_policy *p, struct admit_entry *e)
{
	struct admit_home *home;

	if (e->home != NULL)
		return 0;
	home = admit_home_new(p, ADMIT_HOME_DOMAIN);
	if (home == NULL)
		return -ENOMEM;
	home->entry = e;
	e->home = home; // control's own: no worker looks at it
	cds_list_add_tail(&home->all, &p->homes);
	return 0;
}

static int homes_for_domains(struct postern_policy *p)
{
	struct cds_lfht_iter at;
	struct cds_lfht_node *node;
	int rc = 0;

	cds_lfht_first(p->domains, &at);
	while (rc == 0 && (node = cds_lfht_iter_get_node(&at)) != NULL) {
		rc = home_for(p, caa_container_of(node, struct admit_entry, node));
		cds_lfht_next(p->domains, &at);
	}
	return rc;
}

static int homes_for_providers(struct postern_policy *p)
{
	int rc = 0;

	for (unsigned o = 0; o < p->organisations_end && rc == 0; o++)
		if (p->organisations[o] != NULL)
			rc = admit_organisation_index(p, (uint16_t)o);
	return rc;
}

int postern_policy_use_index(struct postern_policy *p)
{
	int rc = 0;

	admit_policy_enter(p);
	if (!p->index_built) {
		if (p->groups == NULL)
			rc = admit_index_new(p);
		if (rc == 0)
			rc = homes_for_domains(p);
		if (rc == 0)
			rc = homes_for_providers(p);
		p->index_built = rc == 0; // else it goes on with the next call
		if (rc == 0 && cds_list_empty(&p->homes)) {
			__atomic_store_n(&p->front.complete, true, __ATOMIC_RELEASE);
		} else if (rc == 0) {
			p->filling = true;
			admit_sweep_begin(p);
		}
	}
	admit_policy_leave(p);
	return rc;
}
