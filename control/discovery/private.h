// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share. From below: wire.c (bytes), channel.c (c-ares), resolver.c (whom
// to ask), question.c (one question, its tries), name.c (what is kept of a name, and when it is due),
// host.c and domain.c (what is asked of a name), follow.c (who wants it), set.c (the whole).
//
// One lock guards names, what hangs on them, and lists of them: other threads follow and unfollow.
// Functions that say "locked" are called with it. Questions belong to the control thread alone and
// need none; nobody's callback is called with it.

#pragma once

#include "control/discovery/discovery.h"
#include "control/discovery/wire.h"

#include <event2/event.h>

#include <pthread.h>

// ---- Lists, doubly linked, with a head of the same kind.

struct link {
	struct link *next, *prev;
};

static inline void link_init(struct link *l)
{
	l->next = l->prev = l;
}

static inline bool link_is_empty(const struct link *head)
{
	return head->next == head;
}

static inline void link_append(struct link *head, struct link *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

// The analyzer does not see that what is freed has left its list before.
static inline void link_remove(struct link *l)
{
	l->prev->next = l->next; // NOLINT(clang-analyzer-unix.Malloc)
	l->next->prev = l->prev;
	link_init(l);
}

#define LINK_OF(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))

// ---- Questions

// Who goes first, and how much of the questions under way may be theirs: what fails takes long, and
// must not take the place of what does not.
enum lane {
	LANE_WANTED,  // somebody waits, for a name that is followed or known to answer
	LANE_UNSURE,  // somebody waits, for a name of which nothing good is known: at most half
	LANE_REFRESH, // nobody waits: at most three quarters
	LANE_SUSPECT, // likewise, and the last question failed: at most an eighth
	LANES
};

struct question;
typedef void (*question_done)(void *user, const struct discovery_answer *answer);

// Asks; never calls back before it returns. NULL: no memory.
struct question *question_ask(struct discovery *d, const struct postern_domain *name,
	enum discovery_type type, enum lane lane, question_done done, void *user);
// NULL is fine.
void question_cancel(struct question *q);
// Sends what its lane allows.
void question_pump(struct discovery *d);
// Whether another name of the lane may be begun.
bool question_has_room(const struct discovery *d, enum lane lane);
// Asks one resolver for the address of a name, only to see whether it answers.
void question_try(struct discovery *d, unsigned resolver, const struct postern_domain *name);
void question_free_all(struct discovery *d);
// In a turn of the loop: new tokens for those that nobody waits for. Returns when there are some, if there
// are none.
uint64_t question_turn(struct discovery *d);

// One try at one resolver. Whoever sends it calls try_done() once, not before send() returns, with 0
// and an answer, or with -ETIMEDOUT, -ECONNREFUSED, -ENOMEM, ...
struct try;
void try_done(struct try *t, int status, const uint8_t *bytes, size_t n, bool over_tcp);

// ---- What stands between us and the world, for tests to stand in for.

struct transport {
	// Sends a question to a resolver of the settings. A negative errno: try_done() will not come.
	int (*send)(void *self, unsigned resolver, const uint8_t *bytes, size_t n, struct try *t);
	// The settings have other resolvers now.
	void (*renew)(void *self);
	// Looks after what is under way; every 20 ms while anything is.
	void (*turn)(void *self);
	void (*free)(void *self); // try_done() comes no more
	void *self;
};

struct clocks {
	uint64_t (*now_us)(void *user);  // monotonic
	uint64_t (*wall_us)(void *user); // since 1970
	uint32_t (*random)(void *user);
	void *user;
};

// channel.c: c-ares.
int channel_new(struct discovery *d, struct transport *out);

// ---- Resolvers

struct resolver {
	struct discovery_resolver_stats stats;
	uint64_t last_answer_us;
	uint64_t rest_until_us; // 0: it does not rest
	uint32_t rest_ms;
};

// The next in turn that does not rest, not `last` if there is another. Negative: there is none.
int resolver_choose(struct discovery *d, int last);
void resolver_answered(struct discovery *d, unsigned resolver, uint64_t took_us);
// A question that was sent at that time has had no answer.
void resolver_failed(struct discovery *d, unsigned resolver, uint64_t sent_us, bool trial);
// Tries those that rest; returns when it wants to be called again.
uint64_t resolver_turn(struct discovery *d);
void resolver_renew(struct discovery *d);

// ---- Names

// What the last answer was.
enum outcome {
	OUTCOME_NOT_ASKED,
	OUTCOME_GOOD,
	OUTCOME_NO_NAME,
	OUTCOME_NO_RECORD,
	OUTCOME_NO_SERVICE, // the target "."
	OUTCOME_UNUSABLE,   // there are records, and none that can be used
	OUTCOME_BOGUS,
	OUTCOME_NO_ADDRESS, // of its servers
	OUTCOME_ADDRESS_FAILED,
	OUTCOME_SERVER_FAILURE,
	OUTCOME_TIMEOUT,
	OUTCOME_MALFORMED,
	OUTCOME_UNREACHABLE,
	OUTCOME_NO_RESOLVER,
	OUTCOME_NO_MEMORY,
};

enum place {
	PLACE_NONE,   // on no list
	PLACE_WHEEL,  // until it is due
	PLACE_READY,  // in a lane, until there is room
	PLACE_ASKING, // has a job
};

struct job;

// Times are seconds of the discovery's own clock, which begins with 1; 0 stands for never.
struct name {
	struct name *hash_next;
	struct link at; // wheel or lane
	struct job *job;
	struct link *waiters;           // head of struct waiting; NULL: none
	struct postern_addr *addresses; // of a host: the last good ones
	uint16_t *organisations;        // that list it, when they are several
	uint32_t due_s;
	uint32_t ends_s;     // of the last answer, or of the last good one
	uint32_t answered_s; // the last good or negative answer
	uint32_t failing_s;  // since when
	uint32_t wanted_s;   // last
	uint32_t followers;  // of a host: entries and handles that name it
	uint16_t n_organisations;
	uint16_t organisation; // when it is one
	uint16_t failures;     // in a row
	uint8_t n_addresses;
	uint8_t skipped;  // records left out of the last answer; 255: or more
	uint8_t extended; // of the last answer; 255: none
	uint8_t rcode;
	uint8_t outcome; // enum outcome
	uint8_t state;   // enum postern_facts_state
	uint8_t place;   // enum place
	uint8_t lane;    // of PLACE_READY
	uint8_t want;    // enum lane of the most urgent who waits; LANES: nobody does
	bool host;
	bool referenced; // CLOCK
	bool fresh;      // somebody wants an answer of now
	bool told;       // the tables know of it
	bool idle;       // due, and nobody needs it
	bool failing_long;
	bool telling; // those who wait: it must not go
	uint8_t length;
	char text[];
};

#define NAME_BUCKETS  (1u << 20)
#define WHEEL_SECONDS 4096u
// Servers of domains, of which the answers are kept for other domains that have the same.
#define HOSTS_CACHED_MAX 16384u

// Locked. NULL: there is none.
struct name *name_find(struct discovery *d, const struct postern_domain *name, bool host);
// ... or makes it. NULL: no memory.
struct name *name_get(struct discovery *d, const struct postern_domain *name, bool host);
// Takes it out of the tables and frees it, if nobody follows it, waits for it or asks.
void name_forget(struct discovery *d, struct name *n);
// Makes room for one more that nobody follows.
void name_evict(struct discovery *d, bool host);
bool name_is_followed(const struct name *n);
// Followed and asked for, or wanted by somebody now.
bool name_is_needed(const struct discovery *d, const struct name *n);
void name_domain(const struct name *n, struct postern_domain *out);
// When it is next asked; from the wheel it comes into a lane.
void name_schedule(struct discovery *d, struct name *n, uint32_t due_s);
// Into its lane now.
void name_ready(struct discovery *d, struct name *n);
void name_unlink(struct discovery *d, struct name *n);
// What is due comes into lanes; returns when the next is, in microseconds.
uint64_t name_turn(struct discovery *d);
// When followers have come or gone.
void name_count(struct discovery *d, struct name *n, bool was_followed);

uint32_t name_now_s(const struct discovery *d);

// After an answer: notes what it was and when it is asked again. `ttl` is unclamped.
void name_answered(struct discovery *d, struct name *n, enum postern_facts_state state,
	enum outcome outcome, uint32_t ttl);
void name_failed(struct discovery *d, struct name *n, enum outcome outcome);
// Whether its last good answer has been kept for long enough, or there is none.
bool name_is_over(const struct discovery *d, const struct name *n);
// Whether what is known holds still.
bool name_holds(const struct discovery *d, const struct name *n);
// Keeps what `a` says besides; the outcome that follows from it.
enum outcome name_note(struct name *n, const struct discovery_answer *a);
void name_why(const struct name *n, char why[static DISCOVERY_WHY]);

// ---- Who waits

// For a name. Locked.
struct waiting {
	struct link at;
	struct name *name; // NULL: it has been told
	enum lane lane;    // the least urgent that it may be asked in
	// There is an answer, or with `overloaded` there will be none. Locked.
	void (*arrived)(struct waiting *w, struct name *n, bool overloaded);
};

// The name is asked in that lane or a better one. -ENOMEM.
int waiting_add(struct discovery *d, struct name *n, struct waiting *w);
void waiting_tell(struct name *n, bool overloaded);
// Ends a wait; NULL-safe on what has been told.
void waiting_drop(struct waiting *w);

// Somebody outside of this folder.
struct discovery_wait {
	struct waiting waiting;
	struct link at; // of d->waits or, once it has been told, of d->told
	struct discovery *d;
	discovery_found found;
	void *user;
	struct postern_domain domain;
	enum postern_facts_state state;
	bool overloaded;
	char why[DISCOVERY_WHY];
};

// ---- What is asked of a name. Locked; the name is PLACE_ASKING until it has ended. Negative: it could
// not begin.
int domain_begin(struct discovery *d, struct name *n, enum lane lane);
int host_begin(struct discovery *d, struct name *n, enum lane lane);
// At the end of all.
void domain_end(struct name *n);
void host_end(struct name *n);
// order.c: puts SRV records into the order in which they are tried. `draw` gives numbers below its
// argument, which is not 0.
void order_records(struct discovery_record *records, unsigned n, enum discovery_order order,
	uint32_t (*draw)(void *user, uint32_t below), void *user);

// ---- The whole

struct discovery_host {
	struct link at; // of d->handles
	struct discovery *d;
	struct name *name;
	discovery_changed changed;
	void *user;
	bool pending;
};

struct listing;

struct discovery {
	struct discovery_settings settings;
	struct postern_policy *tables;
	struct event_base *base;
	struct event *timer;
	struct event *wake;
	int wake_fd;
	bool is_awake; // locked: the eventfd has been written to
	struct transport transport;
	struct clocks clocks;
	uint64_t started_us;
	uint64_t counters[DISCOVERY_COUNTER_COUNT];

	// questions
	struct link lanes[LANES]; // of struct question
	unsigned lane_out[LANES]; // under way
	unsigned lane_waiting[LANES];
	unsigned out;
	struct link asked; // under way
	struct resolver resolvers[DISCOVERY_RESOLVERS_MAX];
	unsigned turn_of; // whose turn it is
	double tokens;
	uint64_t tokens_us;
	uint64_t transport_us; // when it was last looked after
	struct wire_answer scratch;
	uint64_t said_us; // when a hostile answer was last told
	uint64_t unsaid;

	// locked
	pthread_mutex_t lock;
	struct name **buckets;
	struct link wheel[WHEEL_SECONDS];
	uint32_t wheel_s; // everything before it has been taken out
	struct link ready[LANES];
	uint32_t n_ready[LANES];
	uint32_t n_domains, n_unfollowed; // domains: followed, and not
	uint32_t n_hosts, n_cached;       // likewise
	uint32_t n_failing, n_waiting;
	uint32_t n_failing_long;
	struct postern_domain example; // of those, that came last
	uint32_t hand;                 // CLOCK, over buckets
	size_t memory;
	uint64_t secret;
	struct listing **listings;
	uint8_t routed[POSTERN_ORGANISATIONS_MAX / 8]; // organisations with a default route
	uint32_t sweep;      // buckets that are still to be looked at, after one has lost it
	bool sweep_all;      // ... or after a flush
	uint32_t n_waits;    // outsiders
	struct link waits;   // of struct discovery_wait
	struct link told;    // likewise
	struct link handles; // of struct discovery_host
	struct postern_facts_copy copy;
};

// For tests: with another clock and another world.
int discovery_new_with(struct event_base *base, struct postern_policy *tables,
	const struct discovery_settings *settings, const struct clocks *clocks,
	const struct transport *transport, struct discovery **out);

// Does what is due, tells who waits; returns when it wants to be called again, by the monotonic clock.
uint64_t discovery_turn(struct discovery *d);
// From the event loop soon. Any thread, locked or not on the control thread.
void discovery_wake(struct discovery *d);

static inline uint64_t now_us(const struct discovery *d)
{
	return d->clocks.now_us(d->clocks.user);
}

static inline uint64_t wall_us(const struct discovery *d)
{
	return d->clocks.wall_us(d->clocks.user);
}

void follow_free(struct discovery *d);
// Takes what is due to be looked at again, a piece at a time; returns whether there is more.
bool follow_sweep(struct discovery *d);
// Handles whose host has changed are called from the loop. Locked.
void follow_changed(struct discovery *d, const struct name *host);
// Unlocked: calls them, and those who have waited.
void follow_deliver(struct discovery *d);
