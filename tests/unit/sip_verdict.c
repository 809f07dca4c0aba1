// SPDX-License-Identifier: BSD-2-Clause
// For tests that talk to other programs: what we make of messages.
//
//   sip_verdict --list   the messages of sip_froms.h, one a line: hexadecimal digits, 1 if Kamailio
//                        may disagree over it, else 0
//   sip_verdict          reads messages as lines of hexadecimal digits, and answers each with a
//                        line: the verdict and the domain of From, "-" if it has none

#include "sip_froms.h"
#include "sip_try.h"

static struct sip_try t;

static void list(void)
{
	for (size_t i = 0; i < SIP_FROM_CASES; i++) {
		char text[2048];
		const int n = sip_from_message(text, sizeof(text), sip_from_cases[i].line);

		for (int k = 0; k < n; k++)
			printf("%02x", (unsigned char)text[k]);
		printf(" %d\n", (sip_from_cases[i].disagree & PEER_KAMAILIO) != 0);
	}
}

static size_t read_hex(const char *line, uint8_t *to)
{
	size_t n = 0;
	unsigned byte;

	while (sscanf(line + 2 * n, "%2x", &byte) == 1)
		to[n++] = (uint8_t)byte;
	return n;
}

static void answer(const char *line, size_t length)
{
	uint8_t *bytes = malloc(length + 1);

	if (!bytes)
		abort();
	sip_try(&t, bytes, read_hex(line, bytes));
	const bool domain = t.verdict == TRY_PASS && t.from_rc == 0;

	printf("%s %s\n", sip_try_name(t.verdict), domain ? t.from.text : "-");
	fflush(stdout);
	free(bytes);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (argc > 1 && strcmp(argv[1], "--list") == 0) {
		list();
		return 0;
	}
	while ((n = getline(&line, &size, stdin)) > 0)
		answer(line, (size_t)n);
	free(line);
	return 0;
}
