// SPDX-License-Identifier: BSD-2-Clause
// What is shown beside the dataplane's counters, one row a family. A limit stands below what it
// limits.

#include "control/metrics/private.h"

#include "postern/record.h"

#define VALUE(function)                                                                            \
	static uint64_t function(const struct metrics_source *s, const struct metrics_subject *at)

VALUE(one)
{
	(void)s;
	(void)at;
	return 1;
}

VALUE(started)
{
	(void)at;
	return s->started_wall_us;
}

VALUE(epoch)
{
	(void)at;
	return postern_dataplane_adopted(s->dp);
}

VALUE(workers)
{
	(void)at;
	return s->config(s->daemon)->dataplane.workers.count;
}

VALUE(buffers)
{
	(void)at;
	return s->config(s->daemon)->dataplane.buffers;
}

VALUE(sessions)
{
	(void)at;
	return postern_sessions_in_use(s->dp);
}

VALUE(sessions_limit)
{
	(void)at;
	return postern_sessions_capacity(s->dp);
}

VALUE(records)
{
	struct postern_recorder_stats stats = {0};

	(void)at;
	postern_recorder_read(s->dp, &stats);
	return stats.kept;
}

VALUE(records_limit)
{
	struct postern_recorder_stats stats = {0};

	(void)at;
	postern_recorder_read(s->dp, &stats);
	return stats.limit;
}

VALUE(records_pushed_out)
{
	struct postern_recorder_stats stats = {0};

	(void)at;
	postern_recorder_read(s->dp, &stats);
	return stats.pushed_out;
}

VALUE(flows)
{
	(void)at;
	return postern_flows_in_use(s->dp);
}

VALUE(flows_limit)
{
	(void)at;
	return postern_flows_capacity(s->dp);
}

VALUE(alarms)
{
	return alarm_set_count(s->alarms, (enum alarm_severity)at->index);
}

#define PORT(field)                                                                                \
	VALUE(port_##field)                                                                        \
	{                                                                                          \
		struct postern_port_info info = {0};                                               \
		(void)postern_port_read(s->dp, (uint16_t)at->index, &info);                        \
		return info.field;                                                                 \
	}

VALUE(port_up)
{
	const struct config_interface *i = &s->config(s->daemon)->interfaces.items[at->index];
	char kernel[ALARM_LINK_NAME];

	return alarm_link_read(s->dp, i, (uint16_t)at->index, kernel) == ALARM_LINK_UP;
}

PORT(mtu)
PORT(rx_packets)
PORT(rx_bytes)
PORT(rx_missed)
PORT(rx_errors)
PORT(rx_no_buffer)
PORT(tx_packets)
PORT(tx_bytes)
PORT(tx_errors)
PORT(tx_dropped)

#define LISTEN(field)                                                                              \
	VALUE(listen_##field)                                                                      \
	{                                                                                          \
		struct postern_listen_stats stats = {0};                                           \
		postern_listen_read(s->dp, at->listen->id, &stats);                                \
		return stats.field;                                                                \
	}

LISTEN(sessions)
LISTEN(opened)
LISTEN(refused)
LISTEN(bytes_in)
LISTEN(bytes_out)

#define OUTBOUND(field)                                                                            \
	VALUE(outbound_##field)                                                                    \
	{                                                                                          \
		struct postern_listen_stats stats = {0};                                           \
		postern_listen_read(s->dp, at->outbound->id, &stats);                              \
		return stats.field;                                                                \
	}

OUTBOUND(sessions)
OUTBOUND(opened)
OUTBOUND(refused)
OUTBOUND(bytes_in)
OUTBOUND(bytes_out)

static bool takes_new(const struct pool_member *m)
{
	return m->weight > 0 && (pool_member_word(m) & POSTERN_MEMBER_TAKES_NEW) != 0;
}

VALUE(pool_members)
{
	(void)s;
	return at->pool->n_members;
}

VALUE(pool_accepting)
{
	uint64_t n = 0;

	(void)s;
	for (uint16_t i = 0; i < at->pool->n_members; i++)
		n += takes_new(at->pool->members[i]);
	return n;
}

VALUE(pool_minimum)
{
	(void)s;
	return at->pool->config->minimum;
}

VALUE(pool_certificate)
{
	const int64_t end = pool_certificate_end(at->pool);

	(void)s;
	return end > 0 ? (uint64_t)end * 1000000 : 0;
}

#define MEMBER(field)                                                                              \
	VALUE(member_##field)                                                                      \
	{                                                                                          \
		struct postern_member_stats stats = {0};                                           \
		postern_member_read(s->dp, at->member->id, &stats);                                \
		return stats.field;                                                                \
	}

MEMBER(sessions)
MEMBER(flows)
MEMBER(inbound)
MEMBER(opened)
MEMBER(established)
MEMBER(refused)
MEMBER(silent)
MEMBER(bytes_in)
MEMBER(bytes_out)

VALUE(member_limit)
{
	return config_sessions_limit(s->config(s->daemon), &at->member->at.addr);
}

VALUE(member_flows_limit)
{
	return config_flows_limit(s->config(s->daemon), at->pool->name);
}

VALUE(member_up)
{
	(void)s;
	return at->member->health != POOL_HEALTH_DOWN;
}

VALUE(member_accepting)
{
	(void)s;
	return takes_new(at->member);
}

VALUE(member_weight)
{
	(void)s;
	return at->member->weight;
}

VALUE(member_probes_passed)
{
	(void)s;
	return at->member->probes_ok;
}

VALUE(member_probes_failed)
{
	(void)s;
	return at->member->probes_failed;
}

VALUE(member_probe_duration)
{
	(void)s;
	return (uint64_t)at->member->last_probe_ms * 1000;
}

#define DNS(name, expression)                                                                      \
	VALUE(dns_##name)                                                                          \
	{                                                                                          \
		(void)s;                                                                           \
		return expression;                                                                 \
	}

DNS(domains, at->dns->domains)
DNS(discovered, at->dns->discovered)
DNS(hosts, at->dns->hosts)
DNS(failing, at->dns->failing)
DNS(waiting, at->dns->waiting)
DNS(late, at->dns->late_us)
DNS(outstanding, at->dns->outstanding)
DNS(memory, at->dns->memory)
DNS(resolver_up, !at->resolver->resting)
DNS(resolver_questions, at->resolver->questions)
DNS(resolver_answers, at->resolver->answers)
DNS(resolver_unanswered, at->resolver->timeouts)
DNS(resolver_duration, at->resolver->average_us)

VALUE(dns_discovered_limit)
{
	(void)s;
	(void)at;
	return DISCOVERY_UNFOLLOWED_MAX;
}

VALUE(dns_outstanding_limit)
{
	(void)at;
	return s->config(s->daemon)->dns.questions;
}

#define COUNTER METRICS_COUNTER
#define GAUGE   METRICS_GAUGE

const struct metrics_family metrics_families[] = {
	{"postern_build", METRICS_INFO, METRICS_ONE, NULL, "The version that runs.", one},
	{"process_start_time_seconds", GAUGE, METRICS_ONE, "seconds",
		"When postern started, in seconds since 1970.", started},
	{"postern_config_epoch", GAUGE, METRICS_ONE, NULL,
		"Number of the configuration that every worker has adopted.", epoch},
	{"postern_workers", GAUGE, METRICS_ONE, NULL, "Threads that move packets.", workers},
	{"postern_packet_buffers_limit", GAUGE, METRICS_ONE, NULL, "Packet buffers in all.",
		buffers},
	{"postern_sessions", GAUGE, METRICS_ONE, NULL, "Sessions now.", sessions},
	{"postern_sessions_limit", GAUGE, METRICS_ONE, NULL,
		"Sessions that the table holds at once.", sessions_limit},
	{"postern_records", GAUGE, METRICS_ONE, NULL,
		"Records of refusals, drops and closes that are kept.", records},
	{"postern_records_limit", GAUGE, METRICS_ONE, NULL, "Records that are kept at most.",
		records_limit},
	{"postern_records_pushed_out", COUNTER, METRICS_ONE, NULL,
		"Records that gave way to newer ones.", records_pushed_out},
	{"postern_flows", GAUGE, METRICS_ONE, NULL,
		"Flows now that members have begun, beside the sessions.", flows},
	{"postern_flows_limit", GAUGE, METRICS_ONE, NULL,
		"Flows that members may have begun at once.", flows_limit},
	{"postern_alarms", GAUGE, METRICS_SEVERITY, NULL, "Alarms that are raised, by severity.",
		alarms},

	{"postern_interface_up", GAUGE, METRICS_INTERFACE, NULL, "1 if the port has a link.",
		port_up},
	{"postern_interface_mtu_bytes", GAUGE, METRICS_INTERFACE, "bytes",
		"Largest IP packet of the port.", port_mtu},
	{"postern_interface_rx_packets", COUNTER, METRICS_INTERFACE, NULL,
		"Packets that the port received.", port_rx_packets},
	{"postern_interface_rx_bytes", COUNTER, METRICS_INTERFACE, "bytes",
		"Bytes that the port received.", port_rx_bytes},
	{"postern_interface_rx_missed", COUNTER, METRICS_INTERFACE, NULL,
		"Packets lost because the worker did not keep up.", port_rx_missed},
	{"postern_interface_rx_errors", COUNTER, METRICS_INTERFACE, NULL,
		"Packets that the port received damaged.", port_rx_errors},
	{"postern_interface_rx_no_buffer", COUNTER, METRICS_INTERFACE, NULL,
		"Packets lost for want of a packet buffer.", port_rx_no_buffer},
	{"postern_interface_tx_packets", COUNTER, METRICS_INTERFACE, NULL,
		"Packets that the port sent.", port_tx_packets},
	{"postern_interface_tx_bytes", COUNTER, METRICS_INTERFACE, "bytes",
		"Bytes that the port sent.", port_tx_bytes},
	{"postern_interface_tx_errors", COUNTER, METRICS_INTERFACE, NULL,
		"Packets that the port failed to send.", port_tx_errors},
	{"postern_interface_tx_dropped", COUNTER, METRICS_INTERFACE, NULL,
		"Packets that the port's transmit queues did not take.", port_tx_dropped},

	{"postern_listen_sessions", GAUGE, METRICS_LISTEN, NULL,
		"Sessions now, those included that are ending.", listen_sessions},
	{"postern_listen_sessions_opened", COUNTER, METRICS_LISTEN, NULL,
		"Sessions begun by a SYN.", listen_opened},
	{"postern_listen_sessions_refused", COUNTER, METRICS_LISTEN, NULL,
		"SYNs refused because no member takes sessions.", listen_refused},
	{"postern_listen_in_bytes", COUNTER, METRICS_LISTEN, "bytes",
		"Bytes of IP packets from clients.", listen_bytes_in},
	{"postern_listen_out_bytes", COUNTER, METRICS_LISTEN, "bytes",
		"Bytes of IP packets to clients.", listen_bytes_out},

	{"postern_outbound_flows", GAUGE, METRICS_OUTBOUND, NULL,
		"Flows now, those included that are ending.", outbound_sessions},
	{"postern_outbound_flows_opened", COUNTER, METRICS_OUTBOUND, NULL, "Flows begun.",
		outbound_opened},
	{"postern_outbound_flows_refused", COUNTER, METRICS_OUTBOUND, NULL,
		"First packets dropped because of a limit.", outbound_refused},
	{"postern_outbound_in_bytes", COUNTER, METRICS_OUTBOUND, "bytes",
		"Bytes of IP packets to members.", outbound_bytes_in},
	{"postern_outbound_out_bytes", COUNTER, METRICS_OUTBOUND, "bytes",
		"Bytes of IP packets from members.", outbound_bytes_out},

	{"postern_pool_members", GAUGE, METRICS_POOL, NULL, "Members of the pool.", pool_members},
	{"postern_pool_members_accepting", GAUGE, METRICS_POOL, NULL,
		"Members that take new sessions.", pool_accepting},
	{"postern_pool_members_minimum", GAUGE, METRICS_POOL, NULL,
		"Members that must take new sessions, or an alarm is raised.", pool_minimum},
	{"postern_pool_certificate_end_seconds", GAUGE, METRICS_POOL, "seconds",
		"When the certificate of the pool's probes expires, in seconds since 1970; 0 "
		"without "
		"one.",
		pool_certificate},

	{"postern_member_up", GAUGE, METRICS_MEMBER, NULL, "0 if the member is down.", member_up},
	{"postern_member_accepting", GAUGE, METRICS_MEMBER, NULL,
		"1 if new sessions go to the member.", member_accepting},
	{"postern_member_weight", GAUGE, METRICS_MEMBER, NULL,
		"Share of new sessions relative to the pool's other members.", member_weight},
	{"postern_member_sessions", GAUGE, METRICS_MEMBER, NULL,
		"Sessions now, those included that are ending.", member_sessions},
	{"postern_member_sessions_limit", GAUGE, METRICS_MEMBER, NULL,
		"Sessions that the source addresses towards the member have ports for.",
		member_limit},
	{"postern_member_flows", GAUGE, METRICS_MEMBER, NULL,
		"Flows now that the member has begun, beside its sessions.", member_flows},
	{"postern_member_inbound_flows", GAUGE, METRICS_MEMBER, NULL,
		"Flows now that others have begun at the member's own address.", member_inbound},
	{"postern_member_flows_limit", GAUGE, METRICS_MEMBER, NULL,
		"Flows that the member may have begun at once; 0: no outbound rule lets it out.",
		member_flows_limit},
	{"postern_member_sessions_opened", COUNTER, METRICS_MEMBER, NULL,
		"Sessions sent to the member.", member_opened},
	{"postern_member_sessions_established", COUNTER, METRICS_MEMBER, NULL,
		"Sessions whose handshake was completed.", member_established},
	{"postern_member_syns_refused", COUNTER, METRICS_MEMBER, NULL,
		"SYNs that the member answered with a reset.", member_refused},
	{"postern_member_syns_unanswered", COUNTER, METRICS_MEMBER, NULL,
		"SYNs that the member did not answer.", member_silent},
	{"postern_member_in_bytes", COUNTER, METRICS_MEMBER, "bytes",
		"Bytes of IP packets to the member.", member_bytes_in},
	{"postern_member_out_bytes", COUNTER, METRICS_MEMBER, "bytes",
		"Bytes of IP packets from the member.", member_bytes_out},
	{"postern_member_probes_passed", COUNTER, METRICS_MEMBER, NULL, "Probes that succeeded.",
		member_probes_passed},
	{"postern_member_probes_failed", COUNTER, METRICS_MEMBER, NULL, "Probes that failed.",
		member_probes_failed},
	{"postern_member_probe_duration_seconds", GAUGE, METRICS_MEMBER, "seconds",
		"How long the last probe took.", member_probe_duration},

	{"postern_dns_domains", GAUGE, METRICS_ONE, NULL,
		"SIP domains of partners that are followed in DNS.", dns_domains},
	{"postern_dns_discovered_domains", GAUGE, METRICS_ONE, NULL,
		"SIP domains that somebody has asked for, and that nobody lists.", dns_discovered},
	{"postern_dns_discovered_domains_limit", GAUGE, METRICS_ONE, NULL,
		"Such domains that are kept at most.", dns_discovered_limit},
	{"postern_dns_hosts", GAUGE, METRICS_ONE, NULL, "Servers by name that are followed in DNS.",
		dns_hosts},
	{"postern_dns_failing_names", GAUGE, METRICS_ONE, NULL,
		"Followed names whose last question failed.", dns_failing},
	{"postern_dns_waiting_names", GAUGE, METRICS_ONE, NULL,
		"Names that wait for their turn to be asked for.", dns_waiting},
	{"postern_dns_late_seconds", GAUGE, METRICS_ONE, "seconds",
		"By how much the name that waits for longest is overdue.", dns_late},
	{"postern_dns_questions_under_way", GAUGE, METRICS_ONE, NULL,
		"Questions to resolvers that are not answered yet.", dns_outstanding},
	{"postern_dns_questions_under_way_limit", GAUGE, METRICS_ONE, NULL,
		"Questions that may be under way at once.", dns_outstanding_limit},
	{"postern_dns_memory_bytes", GAUGE, METRICS_ONE, "bytes",
		"Memory of what is kept of names.", dns_memory},
	{"postern_dns_resolver_up", GAUGE, METRICS_RESOLVER, NULL,
		"0 if the resolver does not answer.", dns_resolver_up},
	{"postern_dns_resolver_questions", COUNTER, METRICS_RESOLVER, NULL,
		"Questions sent to the resolver.", dns_resolver_questions},
	{"postern_dns_resolver_answers", COUNTER, METRICS_RESOLVER, NULL,
		"Answers that came from the resolver.", dns_resolver_answers},
	{"postern_dns_resolver_unanswered", COUNTER, METRICS_RESOLVER, NULL,
		"Questions that the resolver did not answer.", dns_resolver_unanswered},
	{"postern_dns_resolver_duration_seconds", GAUGE, METRICS_RESOLVER, "seconds",
		"How long its answers take, smoothed.", dns_resolver_duration},
};

const unsigned metrics_n_families = sizeof(metrics_families) / sizeof(metrics_families[0]);
