// SPDX-License-Identifier: BSD-2-Clause
// Lists of connections, linked within them, and what is told to whoever stands above.

#include "tls/private.h"

void tls_list_add(struct tls_conn *c, enum tls_list l)
{
	struct tls_link *link = &c->links[l];
	struct tls_head *head = &c->t->lists[l];

	if (link->in)
		return;
	*link = (struct tls_link){.prev = head->last, .in = true};
	if (head->last != NULL)
		head->last->links[l].next = c;
	else
		head->first = c;
	head->last = c;
}

void tls_list_drop(struct tls_conn *c, enum tls_list l)
{
	struct tls_link *link = &c->links[l];
	struct tls_head *head = &c->t->lists[l];

	if (!link->in)
		return;
	if (link->prev != NULL)
		link->prev->links[l].next = link->next;
	else
		head->first = link->next;
	if (link->next != NULL)
		link->next->links[l].prev = link->prev;
	else
		head->last = link->prev;
	link->in = false;
}

void tls_tell(struct tls_conn *c, uint32_t what)
{
	if (c->released)
		return;
	c->events |= what;
	tls_list_add(c, TLS_LIST_EVENT);
}

unsigned tls_events(struct tls *t, struct tls_event *out, unsigned n)
{
	unsigned k = 0;
	struct tls_conn *c;

	while (k < n && (c = t->lists[TLS_LIST_EVENT].first) != NULL) {
		tls_list_drop(c, TLS_LIST_EVENT);
		out[k++] = (struct tls_event){c, c->user, c->events};
		c->events = 0;
	}
	return k;
}
