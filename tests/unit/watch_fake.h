// SPDX-License-Identifier: BSD-2-Clause
// Pools, a dataplane and clocks that a test makes up, for what watches them: alarms and metrics.
// Include once in a program.

#pragma once

#include "control/alarm/alarm.h"
#include "control/config/config.h"
#include "control/pool/pool.h"

#include "postern/dataplane.h"
#include "postern/log.h"
#include "postern/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_MEMBERS 3

static struct pool_member fake_members[FAKE_MEMBERS];
static struct pool_member *fake_list[FAKE_MEMBERS] = {
	&fake_members[0], &fake_members[1], &fake_members[2]};
static struct config_pool fake_pool_config = {.name = (char[]){"edge"}};
static struct pool fake_pool = {
	.id = 1,
	.name = "edge",
	.members = fake_list,
	.n_members = FAKE_MEMBERS,
	.config = &fake_pool_config,
};
static int64_t fake_certificate_end;
static bool fake_link[2];
static uint32_t fake_sessions;                      // in the table, of 1000
static uint32_t fake_member_sessions[FAKE_MEMBERS]; // by id - 1
static uint32_t fake_member_flows[FAKE_MEMBERS];    // likewise, without a service
static uint32_t fake_flows;                         // that members have begun, of 500
static uint32_t fake_member_ending[FAKE_MEMBERS];   // likewise
static uint64_t fake_busy;
static uint64_t fake_wrong, fake_opened, fake_established;
static struct alarm_time fake_time;
static const char *fake_trouble; // of the state database
static struct discovery_stats fake_dns;
static char fake_log[64][768]; // lines of NOTICE or above
static unsigned fake_lines;

static struct postern_addr fake_translate[2];
static struct postern_prefix fake_prefixes[2];
static char fake_device[] = "net_null0";
static struct config_interface fake_interfaces[] = {
	{.name = (char[]){"outside"}, .addresses = {&fake_prefixes[0], 1}},
	{.name = (char[]){"inside"},
		.addresses = {&fake_prefixes[1], 1},
		.translate_from = {fake_translate, 2}},
};
static struct config_listen fake_listens[2];
static struct config_service fake_services[] = {
	{.name = (char[]){"federation"}, .pool = (char[]){"edge"}, .listen = {fake_listens, 1}},
};
static uint32_t fake_cpus[] = {1};
static struct config fake_config = {
	.interfaces = {fake_interfaces, 2},
	.services = {fake_services, 1},
	.dataplane = {.workers = {fake_cpus, 1}, .buffers = 8192},
};

static inline void fake_reset(void)
{
	for (unsigned i = 0; i < FAKE_MEMBERS; i++) {
		fake_members[i] = (struct pool_member){
			.pool = &fake_pool,
			.id = (uint16_t)(i + 1),
			.weight = 1,
			.health = POOL_HEALTH_UP,
			.why = "as it was",
		};
		snprintf(fake_members[i].name, sizeof(fake_members[i].name), "fe%u", i + 1);
		char text[32];
		snprintf(text, sizeof(text), "10.0.0.%u:5061", i + 11);
		postern_endpoint_parse(text, &fake_members[i].at);
		fake_member_sessions[i] = 0;
		fake_member_flows[i] = 0;
		fake_member_ending[i] = 0;
	}
	postern_prefix_parse("192.0.2.10/24", &fake_prefixes[0]);
	postern_prefix_parse("10.0.0.10/24", &fake_prefixes[1]);
	postern_endpoint_parse("192.0.2.20:5061", &fake_listens[0].at);
	postern_endpoint_parse("[2001:db8::20]:5061", &fake_listens[1].at);
	fake_services[0].listen.count = 1;
	postern_addr_parse("10.0.0.20", &fake_translate[0]);
	postern_addr_parse("10.0.0.21", &fake_translate[1]);
	fake_pool_config.minimum = 0;
	fake_certificate_end = 0;
	fake_link[0] = fake_link[1] = true;
	fake_sessions = 0;
	fake_flows = 0;
	fake_busy = 0;
	fake_wrong = fake_opened = fake_established = 0;
	fake_interfaces[0].device = fake_interfaces[1].device = fake_device;
	fake_lines = 0;
	fake_trouble = NULL;
	fake_dns = (struct discovery_stats){0};
	fake_time = (struct alarm_time){
		.monotonic_us = 1000000,
		.wall_us = UINT64_C(1700000000000000),
		.cycles = 1,
	};
}

static inline struct alarm_time fake_now(void)
{
	return fake_time;
}

static inline void fake_pass_ms(uint64_t ms)
{
	fake_time.monotonic_us += ms * 1000;
	fake_time.wall_us += ms * 1000;
	fake_time.cycles += ms * 1000000; // 1 GHz
}

static inline const struct config *fake_get_config(void *daemon)
{
	(void)daemon;
	return &fake_config;
}

static inline void fake_get_dns(void *daemon, struct discovery_stats *out)
{
	(void)daemon;
	*out = fake_dns;
}

static inline const char *fake_get_trouble(void *daemon)
{
	(void)daemon;
	return fake_trouble;
}

static inline struct alarm_set *fake_alarms(void)
{
	const struct alarm_source source = {.config = fake_get_config,
		.state_trouble = fake_get_trouble,
		.dns = fake_get_dns,
		.now = fake_now};

	return alarm_set_new(&source);
}

const struct pool *pool_set_at(const struct pool_set *set, unsigned index)
{
	(void)set;
	return index == 0 ? &fake_pool : NULL;
}

const struct pool *pool_set_find(const struct pool_set *set, const char *name)
{
	(void)set;
	return strcmp(name, fake_pool.name) == 0 ? &fake_pool : NULL;
}

uint32_t pool_member_word(const struct pool_member *m)
{
	return m->admin == POOL_ADMIN_READY && m->health != POOL_HEALTH_DOWN
		       ? POSTERN_MEMBER_TAKES_NEW
		       : 0;
}

int64_t pool_certificate_end(const struct pool *pool)
{
	(void)pool;
	return fake_certificate_end;
}

int postern_port_read(
	const struct postern_dataplane *dp, uint16_t interface, struct postern_port_info *out)
{
	(void)dp;
	*out = (struct postern_port_info){.up = fake_link[interface], .rx_bytes = 7};
	return 0;
}

void postern_member_read(
	const struct postern_dataplane *dp, uint16_t member, struct postern_member_stats *out)
{
	(void)dp;
	*out = (struct postern_member_stats){.sessions = fake_member_sessions[member - 1],
		.ending = fake_member_ending[member - 1],
		.flows = fake_member_flows[member - 1],
		.bytes_in = UINT64_MAX};
}

void postern_listen_read(
	const struct postern_dataplane *dp, uint16_t listen, struct postern_listen_stats *out)
{
	(void)dp;
	*out = (struct postern_listen_stats){.opened = 100u * listen};
}

void postern_counters_read(
	const struct postern_dataplane *dp, uint64_t out[static POSTERN_COUNTER_COUNT])
{
	(void)dp;
	for (unsigned i = 0; i < POSTERN_COUNTER_COUNT; i++)
		out[i] = 1000 + i;
	out[POSTERN_COUNTER_WORKER_BUSY_CYCLES] = fake_busy;
	out[POSTERN_COUNTER_DROP_TCP_CHECKSUM] += fake_wrong;
	out[POSTERN_COUNTER_SESSION_OPENED] += fake_opened;
	out[POSTERN_COUNTER_SESSION_ESTABLISHED] += fake_established;
}

void postern_recorder_read(const struct postern_dataplane *dp, struct postern_recorder_stats *out)
{
	(void)dp;
	*out = (struct postern_recorder_stats){.kept = 5, .limit = 4096, .pushed_out = 2};
}

uint64_t postern_dataplane_adopted(const struct postern_dataplane *dp)
{
	(void)dp;
	return 7;
}

uint32_t postern_flows_capacity(const struct postern_dataplane *dp)
{
	(void)dp;
	return 500;
}

uint32_t postern_flows_in_use(const struct postern_dataplane *dp)
{
	(void)dp;
	return fake_flows;
}

uint32_t postern_sessions_capacity(const struct postern_dataplane *dp)
{
	(void)dp;
	return 1000;
}

uint32_t postern_sessions_in_use(const struct postern_dataplane *dp)
{
	(void)dp;
	return fake_sessions;
}

void postern_log(enum postern_log_level level, const char *subsystem, const char *format, ...)
{
	va_list args;

	(void)subsystem;
	if (level > POSTERN_LOG_NOTICE)
		return;
	va_start(args, format);
	vsnprintf(fake_log[fake_lines++ % 64], sizeof(fake_log[0]), format, args);
	va_end(args);
}
