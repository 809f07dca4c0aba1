// SPDX-License-Identifier: BSD-2-Clause
// One worker's flight recorder: a bounded table of records, in which the same source and reason are one.
// The worker writes; control reads copies.

#pragma once

#include "base/hash.h"

#include "postern/record.h"

// Records that a worker keeps: 4096 of 152 bytes are 600 KB.
#define BASE_RECORDS 4096u

// New records of all sources together, a second. What repeats itself is always counted.
#define BASE_RECORDS_PER_SECOND 64u

// New records of one network (IPv4: 24 bits, IPv6: 48): so many at once, and one more each
// BASE_NETWORK_REFILL_US, which is a twentieth of the table in ten minutes. What goes beyond is
// counted in one record of the network.
#define BASE_NETWORK_BURST     16u
#define BASE_NETWORK_REFILL_US 4000000u

struct base_recorder;

// NULL when memory is refused. The counter grows by what is in no record.
struct base_recorder *base_recorder_new(
	const struct base_secret *secret, uint8_t worker, uint64_t *lost);
// NULL is fine.
void base_recorder_free(struct base_recorder *r);

// Records what has happened. from_bits, worker are set here. Worker; takes some ten nanoseconds.
void base_record(struct base_recorder *r, const struct postern_record *record, uint64_t now_us);

// Records what has happened `n` times in a row to too many sources to tell them apart: in one record of
// their family, for each reason and service. As quick.
void base_record_all(
	struct base_recorder *r, const struct postern_record *record, uint64_t n, uint64_t now_us);

// Control: the record in a place; -ENOENT: there is none, or it changed meanwhile.
int base_recorder_next(
	const struct base_recorder *r, uint32_t at, uint64_t now_us, struct postern_recorded *out);
void base_recorder_stats_add(const struct base_recorder *r, struct postern_recorder_stats *sum);
