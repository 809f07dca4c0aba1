// SPDX-License-Identifier: BSD-2-Clause
// What the tests of control/pool/ link in place of the dataplane and the log: words are kept, events
// are queued by the test, lines are kept. Include once in a program.

#pragma once

#include "control/pool/pool.h"

#include "postern/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct postern_dataplane {
	uint32_t words[UINT16_MAX];
	bool busy[UINT16_MAX]; // sessions refer to the id
	uint64_t adopted;
	int pipe[2]; // readable when there are events
	struct postern_event events[4096];
	unsigned n_events;
};

static struct postern_dataplane fake;
static char fake_log[512]; // the last line of NOTICE or above
static unsigned fake_lines;

static inline void fake_reset(void)
{
	if (fake.pipe[1] != 0) {
		close(fake.pipe[0]);
		close(fake.pipe[1]);
	}
	memset(&fake, 0, sizeof(fake));
	memset(fake.words, 0xff, sizeof(fake.words));
	fake.adopted = 1;
	if (pipe2(fake.pipe, O_NONBLOCK) != 0)
		_exit(1);
	fake_log[0] = '\0';
	fake_lines = 0;
}

static inline void fake_event(enum postern_event_kind kind, uint16_t member, uint32_t in_a_row)
{
	fake.events[fake.n_events++] = (struct postern_event){
		.kind = (uint8_t)kind, .member = member, .in_a_row = in_a_row};
	if (fake.n_events == 1 && write(fake.pipe[1], "", 1) != 1)
		_exit(1);
}

void postern_member_set_health(struct postern_dataplane *dp, uint16_t member, uint32_t word)
{
	dp->words[member] = word;
}

// The first call clears the descriptor, whether it takes all events or not.
unsigned postern_events_take(struct postern_dataplane *dp, struct postern_event *out, unsigned n)
{
	char c;
	unsigned taken = dp->n_events < n ? dp->n_events : n;
	while (read(dp->pipe[0], &c, 1) == 1)
		continue;
	memcpy(out, dp->events, taken * sizeof(*out));
	memmove(dp->events, dp->events + taken, (dp->n_events - taken) * sizeof(*out));
	dp->n_events -= taken;
	return taken;
}

int postern_events_fd(const struct postern_dataplane *dp)
{
	return dp->pipe[0];
}

bool postern_member_is_idle(const struct postern_dataplane *dp, uint16_t member)
{
	return !dp->busy[member];
}

uint64_t postern_dataplane_adopted(const struct postern_dataplane *dp)
{
	return dp->adopted;
}

void postern_log(enum postern_log_level level, const char *subsystem, const char *format, ...)
{
	(void)subsystem;
	va_list args;
	va_start(args, format);
	if (level <= POSTERN_LOG_NOTICE) {
		vsnprintf(fake_log, sizeof(fake_log), format, args);
		fake_lines++;
	}
	va_end(args);
}
