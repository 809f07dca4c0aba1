// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a configuration file: either mistakes are told, or what `config show` writes means
// the same again.

#include "control/config/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

// libfyaml 0.7.12 forgets its scratch buffer when a long quoted text is malformed. The unit test
// runs without this and would find what we ourselves forget to give back to it.
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

static char *shown(const struct config *c, size_t *length)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, length);
	if (!to)
		abort();
	config_show(to, c);
	fclose(to);
	return text;
}

static void check_mistakes(int rc, const struct config_errors *errors)
{
	if (rc != -EINVAL || errors->list.count == 0)
		abort();
	for (size_t i = 0; i < errors->list.count; i++)
		if (!errors->list.items[i].what[0] || !errors->list.items[i].expected[0])
			abort();
}

static void check_round(const struct config *c)
{
	size_t length, again;
	char *text = shown(c, &length);
	struct config *second;
	struct config_errors errors = {0};
	if (config_read_text("shown", "/elsewhere", text, length, &second, &errors))
		abort();
	char *more = shown(second, &again);
	if (again != length || memcmp(text, more, length) != 0)
		abort();
	if (config_needs_restart(c, second, &errors))
		abort();
	config_errors_free(&errors);
	config_free(second);
	free(more);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c;
	struct config_errors errors = {0};
	int rc = config_read_text("fuzz", "/nonexistent", (const char *)data, size, &c, &errors);
	if (rc)
		check_mistakes(rc, &errors);
	else
		check_round(c);
	config_errors_free(&errors);
	config_free(c);
	return 0;
}
