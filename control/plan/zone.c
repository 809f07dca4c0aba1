// SPDX-License-Identifier: BSD-2-Clause
// DNS records as zone files have them.

#include "control/plan/private.h"

#include <stdlib.h>
#include <string.h>

#define TTL 3600 // s; short enough that a change of address is through in an hour

static void write_record(FILE *to, const json_t *r)
{
	const char *target = plan_string(r, "target");

	fprintf(to, "%s. %d IN %s ", plan_string(r, "name"), TTL, plan_string(r, "type"));
	if (target)
		fprintf(to, "%d %d %d %s.\n",
			(int)json_integer_value(json_object_get(r, "priority")),
			(int)json_integer_value(json_object_get(r, "weight")),
			(int)json_integer_value(json_object_get(r, "port")), target);
	else
		fprintf(to, "%s\n", plan_string(r, "address"));
}

// Records by zone, in their order; "" is that of names in none.
static json_t *by_zone(const json_t *records)
{
	json_t *zones = json_object(), *r;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)records, i, r)
	{
		const char *zone = plan_string(r, "zone");
		json_t *list = json_object_get(zones, zone ? zone : "");

		if (!list) {
			list = json_array();
			json_object_set_new(zones, zone ? zone : "", list);
		}
		if (json_array_append(list, r) != 0) {
			json_decref(zones);
			return NULL;
		}
	}
	return zones;
}

static void write_zones(FILE *to, json_t *zones)
{
	const char *zone;
	json_t *list, *r;
	size_t i;

	json_object_foreach(zones, zone, list)
	{
		fprintf(to, "; %s\n", zone[0] != '\0' ? zone : "in none of the SIP domains");
		json_array_foreach(list, i, r) write_record(to, r);
	}
}

char *plan_zone(const json_t *dns)
{
	json_t *zones = by_zone(json_object_get(dns, "records"));
	char *text = NULL;
	size_t size = 0;
	FILE *to = zones ? open_memstream(&text, &size) : NULL;

	if (to) {
		fprintf(to, "; for the zones of %s\n", plan_string(dns, "organisation"));
		write_zones(to, zones);
	}
	json_decref(zones);
	if (to && fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}
