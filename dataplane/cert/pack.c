// SPDX-License-Identifier: BSD-2-Clause
// What a resumed session needs of the verdict under which it began, as bytes: they travel in tickets.
// A ticket is ours by its MAC, but its keys are shared by appliances of perhaps another version, so
// nothing is believed beyond its bounds.

#include "cert/private.h"

#include <openssl/crypto.h>

#include <string.h>

#define VERSION 1

struct writer {
	uint8_t *at;
};

static void put(struct writer *w, const void *bytes, size_t size)
{
	memcpy(w->at, bytes, size);
	w->at += size;
}

static void put_64(struct writer *w, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		*w->at++ = (uint8_t)(v >> (56 - 8 * i));
}

static void put_link(struct writer *w, const struct cert_link *l)
{
	put(w, l->issuer, sizeof(l->issuer));
	*w->at++ = l->is_ca;
	*w->at++ = l->serial_size;
	put(w, l->serial, l->serial_size);
	*w->at++ = l->n_points;
	for (unsigned i = 0; i < l->n_points; i++)
		put_64(w, l->points[i]);
}

// 32 + 32 + 3 * 8 + 7 bytes, and for each link at most 32 + 3 + 20 + 4 * 8.
_Static_assert(95 + CERT_DEPTH_MAX * 87 <= CERT_PACKED_MAX, "a ticket has room for every verdict");

size_t cert_verdict_pack(const struct cert_verdict *v, uint8_t out[static CERT_PACKED_MAX])
{
	struct writer w = {out};

	*w.at++ = VERSION;
	put(&w, v->key, sizeof(v->key));
	put(&w, v->trust, sizeof(v->trust));
	put_64(&w, (uint64_t)v->not_before);
	put_64(&w, (uint64_t)v->not_after);
	put_64(&w, (uint64_t)v->leaf_not_after);
	*w.at++ = v->uses;
	*w.at++ = (uint8_t)(v->can_sign | v->can_encrypt << 1);
	*w.at++ = (uint8_t)(v->key_bits >> 8);
	*w.at++ = (uint8_t)v->key_bits;
	*w.at++ = v->n_links;
	for (unsigned i = 0; i < v->n_links; i++)
		put_link(&w, &v->links[i]);
	return (size_t)(w.at - out);
}

struct reader {
	const uint8_t *at, *end;
	bool bad;
};

static void get(struct reader *r, void *out, size_t size)
{
	if (r->bad || (size_t)(r->end - r->at) < size) {
		r->bad = true;
		memset(out, 0, size);
		return;
	}
	memcpy(out, r->at, size);
	r->at += size;
}

static uint8_t get_8(struct reader *r)
{
	uint8_t v;

	get(r, &v, 1);
	return v;
}

static uint64_t get_64(struct reader *r)
{
	uint8_t b[8];
	uint64_t v = 0;

	get(r, b, sizeof(b));
	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | b[i];
	return v;
}

static void get_link(struct reader *r, struct cert_link *l)
{
	get(r, l->issuer, sizeof(l->issuer));
	l->is_ca = get_8(r) != 0;
	l->serial_size = get_8(r);
	r->bad |= l->serial_size > CERT_SERIAL_MAX;
	get(r, l->serial, r->bad ? 0 : l->serial_size);
	l->n_points = get_8(r);
	r->bad |= l->n_points > CERT_POINTS_MAX;
	for (unsigned i = 0; !r->bad && i < l->n_points; i++)
		l->points[i] = get_64(r);
}

static void get_verdict(struct reader *r, struct cert_verdict *v)
{
	v->not_before = (int64_t)get_64(r);
	v->not_after = (int64_t)get_64(r);
	v->leaf_not_after = (int64_t)get_64(r);
	v->uses = get_8(r);
	const uint8_t flags = get_8(r);

	v->can_sign = flags & 1;
	v->can_encrypt = (flags & 2) != 0;
	v->key_bits = (uint16_t)(get_8(r) << 8);
	v->key_bits = (uint16_t)(v->key_bits | get_8(r));
	v->n_links = get_8(r);
	r->bad |= v->n_links > CERT_DEPTH_MAX;
	for (unsigned i = 0; !r->bad && i < v->n_links; i++)
		get_link(r, &v->links[i]);
	r->bad |= r->at != r->end;
}

struct cert_verdict *cert_verdict_unpack(struct cert_cache *c, const struct cert_trust *t,
	const X509 *leaf, const uint8_t *bytes, size_t size)
{
	struct reader r = {bytes, bytes + size, false};
	uint8_t key[CERT_DIGEST_SIZE], trust[CERT_DIGEST_SIZE];
	struct cert_verdict *v;

	r.bad = get_8(&r) != VERSION;
	get(&r, key, sizeof(key));
	get(&r, trust, sizeof(trust));
	if (r.bad || memcmp(trust, t->digest, sizeof(trust)) != 0)
		return NULL;
	v = c != NULL ? cert_cache_find(c, key) : NULL;
	if (v != NULL)
		return v;
	v = OPENSSL_zalloc(sizeof(*v));
	if (v == NULL)
		return NULL;
	v->references = 1;
	memcpy(v->key, key, sizeof(key));
	memcpy(v->trust, trust, sizeof(trust));
	get_verdict(&r, v);
	if (!r.bad)
		cert_names_read(leaf, &v->names, &v->memory);
	if (!r.bad && v->names.problem != CERT_NO_MEMORY)
		return v;
	cert_verdict_release(v);
	return NULL;
}
