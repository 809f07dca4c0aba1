// SPDX-License-Identifier: BSD-2-Clause
// Who says what: hellos counted by source, service, version, server name and fingerprint. A set of places
// for each key; in a full one the entry that was not seen for longest gives way.

#include "relay/private.h"

#include <rte_common.h>

#include <string.h>

#define WAYS 8u
#define SETS (RELAY_SEEN / WAYS)

// Extensions that count for a fingerprint's key; those beyond are in its text all the same.
#define TYPES_MAX 64u

static unsigned word(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

// Whatever a fingerprint is made from, and nothing that differs between two hellos of one client: of
// extensions the types, without GREASE, which is drawn anew each time.
static uint64_t ja4_key(const struct relay *r, const struct relay_hello *h)
{
	struct {
		uint64_t ciphers;
		uint64_t signatures;
		uint8_t alpn[2];
		uint16_t version;
		uint16_t n;
		uint16_t types[TYPES_MAX];
	} key;

	memset(&key, 0, sizeof(key));
	key.ciphers = base_hash_keyed(&r->secret, h->ciphers, h->ciphers_length);
	if (h->signatures_length > 0)
		key.signatures = base_hash_keyed(&r->secret, h->signatures, h->signatures_length);
	key.version = h->version;

	if (h->alpn_length >= 2) {
		key.alpn[0] = h->alpn[1];
		key.alpn[1] = h->alpn[h->alpn[0]];
	}
	for (unsigned i = 0; i < h->extensions_length; i += 4 + word(h->extensions + i + 2)) {
		const unsigned type = word(h->extensions + i);

		if ((type & 0x0f0fu) == 0x0a0au)
			continue;
		if (key.n < TYPES_MAX)
			key.types[key.n] = (uint16_t)type;
		key.n++;
	}
	return base_hash_keyed(&r->secret, &key, sizeof(key));
}

static void fingerprint(struct relay *r, struct relay_hello *h)
{
	if (h->kind != POSTERN_HELLO_TLS)
		return;
	const uint64_t key = ja4_key(r, h);
	struct relay_ja4_known *k = &r->ja4[key % RELAY_JA4_CACHE];

	if (k->key == key && k->ja4[0] != '\0') {
		memcpy(h->ja4, k->ja4, sizeof(h->ja4));
		return;
	}
	relay_ja4(h);
	k->key = key;
	memcpy(k->ja4, h->ja4, sizeof(k->ja4));
}

// What the session shows, cut to what it keeps. Protocols come from the wire as any bytes.
static void note(struct relay_session *s, const struct relay_hello *h)
{
	const size_t name = RTE_MIN((size_t)h->name_length, sizeof(s->name) - 1);

	s->version = h->version;
	memcpy(s->name, h->name, name);
	memcpy(s->ja4, h->ja4, sizeof(s->ja4));
	for (unsigned i = 0; h->alpn_length > 0 && i < h->alpn[0] && i < sizeof(s->alpn) - 1; i++) {
		const uint8_t c = h->alpn[1 + i];

		s->alpn[i] = (char)(c > ' ' && c <= '~' ? c : '?');
	}
}

static struct relay_seen *place(struct relay *r, uint64_t key)
{
	struct relay_seen *set = &r->seen[key % SETS * WAYS];
	struct relay_seen *oldest = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].version == 0 || set[i].key == key)
			return &set[i];
		if (set[i].last_us < oldest->last_us)
			oldest = &set[i];
	}
	return oldest;
}

static void begin(
	struct relay *r, struct relay_seen *e, uint64_t key, const struct relay_session *s)
{
	e->key = key;
	e->first_us = r->now_us;
	e->seen = (struct postern_hello_seen){
		.from = s->client.addr,
		.listen = s->listen,
		.version = s->version,
		.kind = s->kind,
	};
	memcpy(e->seen.name, s->name, sizeof(e->seen.name));
	memcpy(e->seen.alpn, s->alpn, sizeof(e->seen.alpn));
	memcpy(e->seen.ja4, s->ja4, sizeof(e->seen.ja4));
}

void relay_see(struct relay *r, struct relay_session *s)
{
	struct {
		struct postern_addr from;
		uint16_t listen;
		uint16_t version;
		uint32_t kind;
		char name[POSTERN_NAME_SHOWN];
		char alpn[POSTERN_ALPN_SHOWN];
		char ja4[POSTERN_JA4_SIZE];
	} text;

	fingerprint(r, &r->hello);
	note(s, &r->hello);
	memset(&text, 0, sizeof(text));
	text.from = s->client.addr;
	text.listen = s->listen;
	text.version = s->version;
	text.kind = s->kind;
	memcpy(text.name, s->name, sizeof(text.name));
	memcpy(text.alpn, s->alpn, sizeof(text.alpn));
	memcpy(text.ja4, s->ja4, sizeof(text.ja4));
	const uint64_t key = base_hash_keyed(&r->secret, &text, sizeof(text));
	struct relay_seen *e = place(r, key);
	const uint32_t version = e->version;

	// Odd while it is written.
	__atomic_store_n(&e->version, version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (version == 0 || e->key != key)
		begin(r, e, key, s);
	e->seen.count++;
	e->last_us = r->now_us;
	// Never 0 again: that is a free place.
	__atomic_store_n(&e->version, version + 2 == 0 ? 2 : version + 2, __ATOMIC_RELEASE);
}
