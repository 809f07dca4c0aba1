// SPDX-License-Identifier: BSD-2-Clause
// The table of records: buckets of eight, found by tags in one cache line. A record is written like
// this: its version is made odd, its words are stored, its version is made even.

#include "base/recorder.h"

#include "base/arena.h"
#include "base/bucket.h"
#include "base/count.h"

#include <errno.h>
#include <string.h>

#define PLACES   8u
#define BUCKETS  (BASE_RECORDS / PLACES)
#define NETWORKS 1024u // limits; networks that meet in one share it

#define WINDOW_US 1000000u

// A record that has been counted more than once is worth so much more time than one that has not.
#define REPEATED_US 600000000ull

struct cell {
	uint32_t version;
	uint32_t hash; // worker's own
	uint64_t count;
	uint64_t first_us;
	uint64_t last_us;
	struct postern_record record;
};

_Static_assert(sizeof(struct cell) == 152, "words without gaps");

// What makes two records one.
struct key {
	struct postern_addr from;
	uint16_t reason;
	uint16_t listen;
	uint32_t bits;
};

_Static_assert(sizeof(struct key) == 24, "hashed as it lies, so without gaps");

// worker: rw; control reads cells, kept, pushed_out
struct base_recorder {
	uint16_t tags[BUCKETS][PLACES]; // 0: free
	struct cell cells[BUCKETS][PLACES];
	struct base_bucket networks[NETWORKS];
	struct base_secret secret;
	uint64_t window; // the present second
	uint32_t opened; // new records in it
	uint32_t kept;
	uint64_t pushed_out;
	uint64_t *lost;
	uint8_t worker;
};

typedef uint64_t __attribute__((may_alias)) word;

struct base_recorder *base_recorder_new(
	const struct base_secret *secret, uint8_t worker, uint64_t *lost)
{
	struct base_recorder *r = base_arena_map(sizeof(*r));

	if (r == NULL)
		return NULL;
	r->secret = *secret;
	r->worker = worker;
	r->lost = lost;
	for (unsigned i = 0; i < NETWORKS; i++)
		r->networks[i].tokens = BASE_NETWORK_BURST;
	return r;
}

void base_recorder_free(struct base_recorder *r)
{
	base_arena_unmap(r, sizeof(*r));
}

static uint64_t hash_of(const struct base_recorder *r, const struct postern_record *record)
{
	const struct key k = {record->from, record->reason, record->listen, record->from_bits};

	return base_hash_keyed(&r->secret, &k, sizeof(k));
}

static bool is_same(const struct postern_record *a, const struct postern_record *b)
{
	return a->reason == b->reason && a->listen == b->listen && a->from_bits == b->from_bits &&
	       postern_addr_equal(&a->from, &b->from);
}

static void store(word *to, const void *from, size_t size)
{
	const word *f = from;

	for (size_t i = 0; i < size / sizeof(*to); i++)
		__atomic_store_n(&to[i], f[i], __ATOMIC_RELAXED);
}

// Writes a cell so that readers see the whole of it or nothing.
static void cell_write(struct base_recorder *r, struct cell *c, const struct postern_record *record,
	uint64_t count, uint64_t first_us, uint64_t now_us)
{
	struct postern_record own = *record;

	own.worker = r->worker;
	__atomic_store_n(&c->version, c->version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&c->count, count, __ATOMIC_RELAXED);
	__atomic_store_n(&c->first_us, first_us, __ATOMIC_RELAXED);
	__atomic_store_n(&c->last_us, now_us, __ATOMIC_RELAXED);
	store((word *)&c->record, &own, sizeof(own));
	__atomic_store_n(&c->version, c->version + 1, __ATOMIC_RELEASE);
}

static uint16_t tag_of(uint64_t hash)
{
	const uint16_t tag = (uint16_t)hash;

	return tag != 0 ? tag : 1;
}

static uint32_t bucket_of(uint64_t hash)
{
	return base_hash_reduce((uint32_t)(hash >> 32), BUCKETS);
}

static struct cell *find(
	struct base_recorder *r, uint64_t hash, const struct postern_record *record)
{
	const uint32_t b = bucket_of(hash);

	for (unsigned i = 0; i < PLACES; i++)
		if (r->tags[b][i] == tag_of(hash) && is_same(&r->cells[b][i].record, record))
			return &r->cells[b][i];
	return NULL;
}

static bool count_again(struct base_recorder *r, uint64_t hash, const struct postern_record *record,
	uint64_t n, uint64_t now_us)
{
	struct cell *c = find(r, hash, record);

	if (c == NULL)
		return false;
	cell_write(r, c, record, c->count + n, c->first_us, now_us);
	return true;
}

// A place in a bucket: a free one, or that of the record which is missed least.
static unsigned place_for(const struct base_recorder *r, uint32_t b)
{
	uint64_t least = UINT64_MAX;
	unsigned best = 0;

	for (unsigned i = 0; i < PLACES; i++) {
		const struct cell *c = &r->cells[b][i];
		const uint64_t worth = c->last_us + (c->count > 1 ? REPEATED_US : 0);

		if (r->tags[b][i] == 0)
			return i;
		if (worth < least) {
			least = worth;
			best = i;
		}
	}
	return best;
}

static void open_new(struct base_recorder *r, uint64_t hash, const struct postern_record *record,
	uint64_t n, uint64_t now_us)
{
	const uint32_t b = bucket_of(hash);

	const unsigned at = place_for(r, b);

	if (r->tags[b][at] == 0)
		__atomic_store_n(&r->kept, r->kept + 1, __ATOMIC_RELAXED);
	else
		base_add(&r->pushed_out, 1);
	r->tags[b][at] = tag_of(hash);
	cell_write(r, &r->cells[b][at], record, n, now_us, now_us);
	r->opened++;
}

// Leaves so many bits of the source's address.
static void widen(struct postern_record *record, unsigned keep)
{
	record->from_bits = (uint8_t)keep;
	memset(record->from.bytes + keep / 8, 0, sizeof(record->from.bytes) - keep / 8);
}

// Whether this second's new records are used up.
static bool is_exhausted(struct base_recorder *r, uint64_t now_us)
{
	if (r->window != now_us / WINDOW_US) {
		r->window = now_us / WINDOW_US;
		r->opened = 0;
	}
	return r->opened >= BASE_RECORDS_PER_SECOND;
}

static bool network_allows(
	struct base_recorder *r, const struct postern_record *network, uint64_t now_us)
{
	const uint64_t hash = base_hash_keyed(&r->secret, &network->from, sizeof(network->from));

	return base_bucket_take(&r->networks[hash % NETWORKS], now_us, 1, BASE_NETWORK_REFILL_US,
		BASE_NETWORK_BURST);
}

void base_record(struct base_recorder *r, const struct postern_record *record, uint64_t now_us)
{
	struct postern_record mine = *record;

	mine.from_bits = 128;
	uint64_t hash = hash_of(r, &mine);

	if (count_again(r, hash, &mine, 1, now_us))
		return;
	// In a flood from everywhere this is the way of most, and short.
	if (is_exhausted(r, now_us)) {
		base_add(r->lost, 1);
		return;
	}
	struct postern_record network = mine;

	widen(&network, postern_addr_is_v4(&network.from) ? 96 + 24 : 48);
	if (network_allows(r, &network, now_us)) {
		open_new(r, hash, &mine, 1, now_us);
		return;
	}
	hash = hash_of(r, &network);
	if (!count_again(r, hash, &network, 1, now_us))
		open_new(r, hash, &network, 1, now_us);
}

void base_record_all(
	struct base_recorder *r, const struct postern_record *record, uint64_t n, uint64_t now_us)
{
	struct postern_record mine = *record;

	widen(&mine, postern_addr_is_v4(&mine.from) ? 96 : 0);
	const uint64_t hash = hash_of(r, &mine);

	if (!count_again(r, hash, &mine, n, now_us))
		open_new(r, hash, &mine, n, now_us);
}

int base_recorder_next(
	const struct base_recorder *r, uint32_t at, uint64_t now_us, struct postern_recorded *out)
{
	const struct cell *c = &r->cells[at / PLACES][at % PLACES];
	const uint32_t version = __atomic_load_n(&c->version, __ATOMIC_ACQUIRE);
	const word *from = (const word *)&c->record;
	word *to = (word *)&out->last;

	if (version == 0 || version % 2 != 0)
		return -ENOENT;
	const uint64_t count = __atomic_load_n(&c->count, __ATOMIC_RELAXED);
	const uint64_t first_us = __atomic_load_n(&c->first_us, __ATOMIC_RELAXED);
	const uint64_t last_us = __atomic_load_n(&c->last_us, __ATOMIC_RELAXED);

	for (size_t i = 0; i < sizeof(out->last) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&c->version, __ATOMIC_RELAXED) != version)
		return -ENOENT;
	out->count = count;
	// It may have been written since `now` was read.
	out->first_ms = now_us > first_us ? (now_us - first_us) / 1000 : 0;
	out->last_ms = now_us > last_us ? (now_us - last_us) / 1000 : 0;
	return 0;
}

void base_recorder_stats_add(const struct base_recorder *r, struct postern_recorder_stats *sum)
{
	sum->kept += __atomic_load_n(&r->kept, __ATOMIC_RELAXED);
	sum->limit += BASE_RECORDS;
	sum->pushed_out += base_get(&r->pushed_out);
}
