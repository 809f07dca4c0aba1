// SPDX-License-Identifier: BSD-2-Clause
// Prints the plans of seeds, one line of JSON each: plans FIRST COUNT.

#include "wire/plan.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: plans FIRST COUNT\n");
		return 2;
	}
	const uint32_t first = (uint32_t)atoi(argv[1]), count = (uint32_t)atoi(argv[2]);

	for (uint32_t seed = first; seed - first < count; seed++) {
		const struct plan p = plan_of(seed);

		printf("{\"seed\": %u, \"instance\": %u, \"v6\": %d, \"engine_opens\": %d, "
		       "\"rough\": %d, \"bytes\": [%u, %u], \"ends\": [%d, %d]}\n",
			p.seed, p.instance, p.v6, p.engine_opens, p.rough, p.bytes[0], p.bytes[1],
			p.end[0], p.end[1]);
	}
	return 0;
}
