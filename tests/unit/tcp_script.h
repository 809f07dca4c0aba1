// SPDX-License-Identifier: BSD-2-Clause
// Plays one script of packets; tcp/README.md says how they are written.

#pragma once

#include "tcp_rig.h"

#include <stdio.h>

void tcp_script_play(FILE *f, const char *path, bool v6);
// Where the script stands: file, line and family.
const char *tcp_script_place(void);
// Called when something is not as the script says; does not return. The test defines it.
void tcp_script_wrong(const char *what) __attribute__((noreturn));
