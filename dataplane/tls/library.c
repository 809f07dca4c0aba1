// SPDX-License-Identifier: BSD-2-Clause
// What of OpenSSL a worker has for itself: an allocator, a library context, the algorithms in it.
//
// OpenSSL 3.0 asks its providers anew for every key that it reads out of a certificate and for every
// step of a key schedule, walks through all that they offer, and remembers little. The default provider
// offers some three hundred things, of which mutual TLS needs thirty. So the library context has one
// provider of its own, which passes on those of the default provider that are on a list, and nothing else.

#include "tls/private.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <errno.h>
#include <mimalloc.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#ifndef SANITIZED

static void *take(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return mi_malloc(size);
}

static void *resize(void *at, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return mi_realloc(at, size);
}

static void give(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	mi_free(at);
}

int tls_use_allocator(void)
{
	return CRYPTO_set_mem_functions(take, resize, give) == 1 ? 0 : -EPERM;
}

#else

int tls_use_allocator(void)
{
	return -ENOSYS;
}

#endif

// By the first of an algorithm's names.
static const char *const digests[] = {
	"SHA1", "SHA2-224", "SHA2-256", "SHA2-384", "SHA2-512", "MD5", "MD5-SHA1", NULL};
static const char *const ciphers[] = {"AES-256-GCM", "AES-128-GCM", "AES-256-CBC", "AES-128-CBC",
	"AES-256-CTR", "AES-256-ECB", "AES-128-CBC-HMAC-SHA1", "AES-256-CBC-HMAC-SHA1",
	"AES-128-CBC-HMAC-SHA256", "AES-256-CBC-HMAC-SHA256", "ChaCha20-Poly1305", "ChaCha20",
	"NULL", NULL};
static const char *const macs[] = {"HMAC", "SIPHASH", NULL};
static const char *const kdfs[] = {"HKDF", "TLS13-KDF", "TLS1-PRF", "SSKDF", NULL};
static const char *const rands[] = {"CTR-DRBG", "HASH-DRBG", "SEED-SRC", NULL};
static const char *const keys[] = {"RSA", "RSA-PSS", "EC", "X25519", "X448", "ED25519", "ED448",
	"DH", "DHX", "HKDF", "TLS1-PRF", "HMAC", NULL};
static const char *const exchanges[] = {"ECDH", "X25519", "X448", "DH", "HKDF", "TLS1-PRF", NULL};
static const char *const signatures[] = {"RSA", "ECDSA", "ED25519", "ED448", "HMAC", NULL};
static const char *const asymmetric[] = {"RSA", NULL};
// Keys as certificates and key files have them.
static const char *const decoders[] = {"RSA", "RSA-PSS", "EC", "ED25519", "ED448", "DER", NULL};

static const char *const *list_of(int operation)
{
	switch (operation) {
	case OSSL_OP_DIGEST:
		return digests;
	case OSSL_OP_CIPHER:
		return ciphers;
	case OSSL_OP_MAC:
		return macs;
	case OSSL_OP_KDF:
		return kdfs;
	case OSSL_OP_RAND:
		return rands;
	case OSSL_OP_KEYMGMT:
		return keys;
	case OSSL_OP_KEYEXCH:
		return exchanges;
	case OSSL_OP_SIGNATURE:
		return signatures;
	case OSSL_OP_ASYM_CIPHER:
		return asymmetric;
	case OSSL_OP_DECODER:
		return decoders;
	default:
		return NULL;
	}
}

#define OPERATIONS 24 // OSSL_OP__HIGHEST is 22
#define OFFERED    96 // of one operation

// What the default provider offers is the same in every instance of it, and so is the part that is passed on:
// made once, from an instance that stays for the life of the process.
static struct {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *all;
	OSSL_ALGORITHM offered[OPERATIONS][OFFERED];
} few;
static pthread_once_t few_once = PTHREAD_ONCE_INIT;

static bool is_wanted(const char *names, const char *const *list)
{
	const size_t length = strcspn(names, ":");

	for (; *list != NULL; list++)
		if (strlen(*list) == length && strncasecmp(*list, names, length) == 0)
			return true;
	return false;
}

// Before a secret is agreed OpenSSL multiplies the peer's point by the group's order, which costs as much as
// the agreement itself. The groups here have no cofactor: whatever lies on the curve and is not at
// infinity has that order (SP 800-56A 5.6.2.3.3, whose last step holds by itself then), and that is what the
// quick check looks at.
static int (*validate_whole)(const void *key, int selection, int kind);

static int validate(const void *key, int selection, int kind)
{
	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0)
		kind = OSSL_KEYMGMT_VALIDATE_QUICK_CHECK;
	return validate_whole(key, selection, kind);
}

static void shorten_validation(OSSL_ALGORITHM *ec)
{
	static OSSL_DISPATCH functions[64];
	unsigned n = 0;

	for (const OSSL_DISPATCH *d = ec->implementation; d->function_id != 0; d++) {
		if (n == sizeof(functions) / sizeof(functions[0]) - 1)
			return;
		functions[n] = *d;
		if (d->function_id == OSSL_FUNC_KEYMGMT_VALIDATE) {
			validate_whole = OSSL_FUNC_keymgmt_validate(d);
			functions[n].function = (void (*)(void))validate;
		}
		n++;
	}
	if (validate_whole != NULL)
		ec->implementation = functions;
}

static void choose(int operation)
{
	const char *const *list = list_of(operation);
	const OSSL_ALGORITHM *a;
	int no_cache = 0;
	unsigned n = 0;

	if (list == NULL)
		return;
	a = OSSL_PROVIDER_query_operation(few.all, operation, &no_cache);
	for (; a != NULL && a->algorithm_names != NULL && n < OFFERED - 1; a++)
		if (is_wanted(a->algorithm_names, list)) {
			few.offered[operation][n] = *a;
			if (operation == OSSL_OP_KEYMGMT &&
				strncmp(a->algorithm_names, "EC:", 3) == 0)
				shorten_validation(&few.offered[operation][n]);
			n++;
		}
}

static void choose_all(void)
{
	few.lib = OSSL_LIB_CTX_new();
	few.all = few.lib != NULL ? OSSL_PROVIDER_load(few.lib, "default") : NULL;
	for (int i = 0; few.all != NULL && i < OPERATIONS; i++)
		choose(i);
}

// The implementations' context is that of the worker's own instance of the default provider, and so is
// what they look up themselves.
static const OSSL_ALGORITHM *query(void *context, int operation, int *no_cache)
{
	(void)context;
	*no_cache = 0;
	return operation >= 0 && operation < OPERATIONS ? few.offered[operation] : NULL;
}

static int capabilities(void *context, const char *capability, OSSL_CALLBACK *each, void *argument)
{
	(void)context;
	return OSSL_PROVIDER_get_capabilities(few.all, capability, each, argument);
}

// OpenSSL tells the function that starts a provider nothing of whose it is.
static _Thread_local OSSL_PROVIDER *instance;

static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
	void **context)
{
	static const OSSL_DISPATCH functions[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
		{OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
		{0, NULL},
	};

	(void)handle;
	(void)in;
	*out = functions;
	*context = OSSL_PROVIDER_get0_provider_ctx(instance);
	return 1;
}

int tls_library_new(struct tls *t)
{
	static const char name[] = "few";

	if (pthread_once(&few_once, choose_all) != 0 || few.all == NULL)
		return -ENOMEM;
	t->inner = OSSL_LIB_CTX_new();
	t->inner_provider = t->inner != NULL ? OSSL_PROVIDER_load(t->inner, "default") : NULL;
	t->lib = t->inner_provider != NULL ? OSSL_LIB_CTX_new() : NULL;
	if (t->lib == NULL || OSSL_PROVIDER_add_builtin(t->lib, name, start) != 1)
		return -ENOMEM;
	instance = t->inner_provider;
	t->provider = OSSL_PROVIDER_load(t->lib, name);
	return t->provider != NULL ? 0 : -ENOMEM;
}

void tls_library_free(struct tls *t)
{
	if (t->provider != NULL)
		OSSL_PROVIDER_unload(t->provider);
	OSSL_LIB_CTX_free(t->lib);
	if (t->inner_provider != NULL)
		OSSL_PROVIDER_unload(t->inner_provider);
	OSSL_LIB_CTX_free(t->inner);
}

// What a ticket holds is read by functions that ask for no library context: theirs is the thread's.
OSSL_LIB_CTX *tls_enter(struct tls *t)
{
	return OSSL_LIB_CTX_set0_default(t->lib);
}

void tls_leave(OSSL_LIB_CTX *before)
{
	OSSL_LIB_CTX_set0_default(before);
}

OSSL_LIB_CTX *tls_library(struct tls *t)
{
	return t->lib;
}
