// SPDX-License-Identifier: BSD-2-Clause
// cmocka with what it needs before it, and the checks of a rig as a test's own failures.

#pragma once

#include "rig.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static inline void rig_fail_test(const char *what, const char *file, int line)
{
	_assert_true(0, what, file, line);
}

static inline int rig_use_cmocka(void **state)
{
	(void)state;
	rig_failed = rig_fail_test;
	return 0;
}
