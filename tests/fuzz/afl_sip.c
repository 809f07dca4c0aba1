// SPDX-License-Identifier: BSD-2-Clause
// Runs a fuzzer of this folder under AFL++ in persistent mode: compile it together with one of
// fuzz_sip_*.c by afl-clang-fast. With arguments it runs over the files that they name.

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef __AFL_FUZZ_TESTCASE_LEN
__AFL_FUZZ_INIT();
#endif

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return 1;
	}
	uint8_t *bytes = malloc(1u << 20);
	const size_t length = bytes ? fread(bytes, 1, 1u << 20, f) : 0;

	fclose(f);
	// Exactly as long as it is, so that the sanitizer sees a byte too many.
	uint8_t *exact = bytes ? realloc(bytes, length + !length) : NULL;

	if (exact)
		LLVMFuzzerTestOneInput(exact, length);
	free(exact);
	return exact == NULL;
}

int main(int argc, char **argv)
{
	int rc = 0;

	for (int i = 1; i < argc; i++)
		rc |= run_file(argv[i]);
#ifdef __AFL_FUZZ_TESTCASE_LEN
	if (argc == 1) {
		__AFL_INIT();
		const uint8_t *bytes = __AFL_FUZZ_TESTCASE_BUF;

		while (__AFL_LOOP(10000))
			LLVMFuzzerTestOneInput(bytes, (size_t)__AFL_FUZZ_TESTCASE_LEN);
	}
#endif
	return rc;
}
