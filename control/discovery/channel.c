// SPDX-License-Identifier: BSD-2-Clause
// Questions on the wire: c-ares sends them, matches answers, turns to TCP for long ones and counts the
// time of one try. Which resolver is asked, and how often, is ours to decide, so each has a channel of
// its own with one server and one try.
//
// c-ares keeps a socket as long as questions are under way, and so one source port, which with the id is
// all that a forger must guess. So a channel is put aside after some questions for one with another
// port, and ended when its last answer has come.

#include "control/discovery/private.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUESTIONS_PER_CHANNEL 256u

// What a burst of answers takes in the kernel; it may give us less.
#define RECEIVE_BUFFER (1 << 20)

struct channel;

struct watched {
	struct watched *next;
	struct channel *channel;
	ares_socket_t fd;
	struct event *event;
};

struct channel {
	struct channel *next; // of those put aside
	struct channels *all;
	ares_channel ares;
	struct watched *watched;
	unsigned sent;
	unsigned under_way;
};

struct channels {
	struct discovery *d;
	struct channel *now[DISCOVERY_RESOLVERS_MAX];
	struct channel *aside;
	bool ending; // answers are nobody's any more
};

// What c-ares gives back with an answer.
struct sent {
	struct channel *channel;
	struct try *try;
};

static void on_socket(evutil_socket_t fd, short what, void *user)
{
	struct channel *c = user;

	ares_process_fd(c->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
		what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static void on_state(void *user, ares_socket_t fd, int readable, int writable)
{
	struct channel *c = user;
	struct watched **at = &c->watched;
	const short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	while (*at != NULL && (*at)->fd != fd)
		at = &(*at)->next;
	struct watched *w = *at;

	if (w != NULL) {
		event_free(w->event);
		w->event = NULL;
	}
	if (what == 0) {
		if (w != NULL) {
			*at = w->next;
			free(w);
		}
		return;
	}
	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			return; // its questions end with their time
		*w = (struct watched){.next = c->watched, .channel = c, .fd = fd};
		c->watched = w;
	}
	w->event = event_new(c->all->d->base, fd, (short)(what | EV_PERSIST), on_socket, c);
	if (w->event != NULL)
		event_add(w->event, NULL);
}

static void channel_free(struct channel *c)
{
	if (c == NULL)
		return;
	// Closes its sockets by way of on_state().
	if (c->ares != NULL)
		ares_destroy(c->ares);
	while (c->watched != NULL) {
		struct watched *next = c->watched->next;

		if (c->watched->event != NULL)
			event_free(c->watched->event);
		free(c->watched);
		c->watched = next;
	}
	free(c);
}

static int set_server(ares_channel ares, const struct postern_endpoint *at)
{
	struct ares_addr_port_node server = {.udp_port = at->port, .tcp_port = at->port};

	if (postern_addr_is_v4(&at->addr)) {
		server.family = AF_INET;
		server.addr.addr4.s_addr = at->addr.words[3];
	} else {
		server.family = AF_INET6;
		memcpy(&server.addr.addr6, at->addr.bytes, sizeof(at->addr.bytes));
	}
	return ares_set_servers_ports(ares, &server);
}

static struct channel *open_channel(struct channels *all, unsigned resolver)
{
	const struct discovery_settings *s = &all->d->settings;
	struct channel *c = calloc(1, sizeof(*c));
	struct in_addr nobody = {.s_addr = htonl(INADDR_LOOPBACK)};
	char lookups[] = "b";
	// All is said, so that c-ares reads no file.
	struct ares_options o = {
		.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
			 ARES_FLAG_NOCHECKRESP,
		.timeout = (int)s->timeout_ms,
		.tries = 1,
		.ndots = 1,
		.servers = &nobody,
		.nservers = 1,
		.lookups = lookups,
		.ednspsz = WIRE_PAYLOAD,
		.socket_receive_buffer_size = RECEIVE_BUFFER,
		.sock_state_cb = on_state,
		.sock_state_cb_data = c,
	};
	const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
			 ARES_OPT_SERVERS | ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ |
			 ARES_OPT_SOCK_RCVBUF | ARES_OPT_SOCK_STATE_CB | ARES_OPT_DOMAINS |
			 ARES_OPT_SORTLIST;

	if (c == NULL)
		return NULL;
	c->all = all;
	if (ares_init_options(&c->ares, &o, mask) != ARES_SUCCESS) {
		c->ares = NULL;
		channel_free(c);
		return NULL;
	}
	if (set_server(c->ares, &s->resolvers[resolver]) != ARES_SUCCESS) {
		channel_free(c);
		return NULL;
	}
	return c;
}

static void put_aside(struct channels *all, unsigned resolver)
{
	struct channel *c = all->now[resolver];

	all->now[resolver] = NULL;
	if (c == NULL)
		return;
	c->next = all->aside;
	all->aside = c;
}

static int status_of(int ares)
{
	switch (ares) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ENOMEM:
		return -ENOMEM;
	default:
		return -ECONNREFUSED;
	}
}

static void on_answer(void *user, int status, int timeouts, unsigned char *bytes, int n)
{
	struct sent *s = user;
	struct channel *c = s->channel;
	struct try *t = s->try;

	(void)timeouts;
	c->under_way--;
	free(s);
	if (c->all->ending)
		return;
	// c-ares does not say how it came; what is longer than a datagram that we take did not come so.
	try_done(t, status_of(status), bytes, n > 0 ? (size_t)n : 0, n > WIRE_PAYLOAD);
}

static int channels_send(
	void *self, unsigned resolver, const uint8_t *bytes, size_t n, struct try *t)
{
	struct channels *all = self;
	struct channel *c = all->now[resolver];
	struct sent *s;

	if (c != NULL && c->sent >= QUESTIONS_PER_CHANNEL) {
		put_aside(all, resolver);
		c = NULL;
	}
	if (c == NULL)
		c = all->now[resolver] = open_channel(all, resolver);
	s = c != NULL ? malloc(sizeof(*s)) : NULL;
	if (s == NULL)
		return -ENOMEM;
	*s = (struct sent){c, t};
	c->sent++;
	c->under_way++;
	// Where it cannot be sent the answer comes from within; try_done() is made for that.
	ares_send(c->ares, bytes, (int)n, on_answer, s);
	return 0;
}

static void channels_renew(void *self)
{
	for (unsigned i = 0; i < DISCOVERY_RESOLVERS_MAX; i++)
		put_aside(self, i);
}

static void channels_turn(void *self)
{
	struct channels *all = self;

	for (unsigned i = 0; i < DISCOVERY_RESOLVERS_MAX; i++)
		if (all->now[i] != NULL)
			ares_process_fd(all->now[i]->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	for (struct channel **at = &all->aside; *at != NULL;) {
		struct channel *c = *at;

		ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		if (c->under_way > 0) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		channel_free(c);
	}
}

static void channels_free(void *self)
{
	struct channels *all = self;

	all->ending = true;
	channels_renew(self);
	while (all->aside != NULL) {
		struct channel *next = all->aside->next;

		channel_free(all->aside);
		all->aside = next;
	}
	free(all);
	ares_library_cleanup();
}

int channel_new(struct discovery *d, struct transport *out)
{
	struct channels *all = calloc(1, sizeof(*all));

	if (all == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(all);
		return -ENOMEM;
	}
	all->d = d;
	*out = (struct transport){.send = channels_send,
		.renew = channels_renew,
		.turn = channels_turn,
		.free = channels_free,
		.self = all};
	return 0;
}

unsigned discovery_settings_system(struct discovery_settings *s)
{
	struct ares_addr_port_node *servers = NULL;
	ares_channel channel;
	unsigned n = 0;

	if (ares_init(&channel) != ARES_SUCCESS)
		return 0;
	if (ares_get_servers_ports(channel, &servers) == ARES_SUCCESS)
		for (const struct ares_addr_port_node *a = servers;
			a != NULL && n < DISCOVERY_RESOLVERS_MAX; a = a->next) {
			struct postern_endpoint *at = &s->resolvers[n++];

			at->port = a->udp_port != 0 ? (uint16_t)a->udp_port : 53;
			if (a->family == AF_INET)
				at->addr = postern_addr_from_v4(a->addr.addr4.s_addr);
			else
				memcpy(at->addr.bytes, &a->addr.addr6, sizeof(at->addr.bytes));
		}
	if (servers != NULL)
		ares_free_data(servers);
	ares_destroy(channel);
	s->n_resolvers = n;
	return n;
}
