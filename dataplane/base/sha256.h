// SPDX-License-Identifier: BSD-2-Clause
// SHA-256 (FIPS 180-4), for fingerprints that are defined by it. Nothing is kept secret by it here.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define BASE_SHA256_SIZE 32

// Any thread.
void base_sha256(const void *data, size_t size, uint8_t out[static BASE_SHA256_SIZE]);
