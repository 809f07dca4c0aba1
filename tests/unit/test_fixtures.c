// SPDX-License-Identifier: BSD-2-Clause
// Plays the scenarios of a folder: packets in, packets out. fixtures/README.md says how they are
// written. The folder is given as an argument; by default the one of the source tree.

#include "rig_cmocka.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX  2000
#define LINE_BYTES (1 << 16)
#define NAMES_MAX  16
#define FILES_MAX  256

static const char *folder = "tests/unit/fixtures";

struct capture {
	char name[16];
	bool known;
	uint8_t bytes[2];
};

struct scene {
	char path[512];
	unsigned line;
	struct rig *r;
	struct capture captures[NAMES_MAX];
	uint64_t seen[POSTERN_COUNTER_COUNT];
};

// A frame as a line gives it.
struct frame {
	uint8_t bytes[FRAME_MAX];
	struct capture *capture[FRAME_MAX]; // at the first of two bytes
	bool any[FRAME_MAX];
	size_t length;
	size_t checksum; // offset of "cs"; 0: none
	uint16_t checksum_off;
};

static struct scene scene;

static void wrong(const char *what)
{
	print_error("%s:%u: %s\n", scene.path, scene.line, what);
	fail();
}

static void rig_wrong(const char *what, const char *file, int line)
{
	print_error("%s:%u: %s:%d: %s\n", scene.path, scene.line, file, line, what);
	fail();
}

static struct capture *capture_find(const char *name)
{
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		struct capture *c = &scene.captures[i];

		if (c->name[0] == '\0')
			snprintf(c->name, sizeof(c->name), "%s", name);
		if (strcmp(c->name, name) == 0)
			return c;
	}
	wrong("too many captures");
	return NULL;
}

static uint8_t digit(char c)
{
	if (!isxdigit((unsigned char)c))
		wrong("not a hexadecimal digit");
	return (uint8_t)(isdigit((unsigned char)c) ? c - '0'
						   : tolower((unsigned char)c) - 'a' + 10);
}

static void read_group(struct frame *f, const char *group)
{
	if (f->length + strlen(group) / 2 + 2 > FRAME_MAX)
		wrong("frame too long");
	if (group[0] == '$') {
		struct capture *c = capture_find(group + 1);

		f->capture[f->length] = c;
		memcpy(&f->bytes[f->length], c->bytes, 2);
		f->length += 2;
	} else if (strcmp(group, "..") == 0) {
		f->any[f->length++] = true;
	} else if (strncmp(group, "cs", 2) == 0) {
		f->checksum = f->length;
		f->checksum_off = (uint16_t)(group[2] ? strtoul(group + 3, NULL, 16) : 0);
		f->length += 2;
	} else {
		if (strlen(group) % 2)
			wrong("odd number of digits");
		for (; group[0] != '\0'; group += 2)
			f->bytes[f->length++] = (uint8_t)(digit(group[0]) << 4 | digit(group[1]));
	}
}

static void read_frame(struct frame *f, char *words)
{
	memset(f, 0, sizeof(*f));
	for (char *save, *w = strtok_r(words, " \t\n", &save); w != NULL;
		w = strtok_r(NULL, " \t\n", &save))
		read_group(f, w);
	if (f->length < 14)
		wrong("no frame");
}

static uint16_t interface_read(const char *word)
{
	if (word != NULL && strcmp(word, "outside") == 0)
		return RIG_OUTSIDE;
	if (word == NULL || strcmp(word, "inside") != 0)
		wrong("neither \"outside\" nor \"inside\"");
	return RIG_INSIDE;
}

static void checksum_put(struct frame *f)
{
	if (f->checksum == 0)
		return;
	const uint32_t sum =
		(uint32_t)rig_l4_checksum(f->bytes, f->length) + (uint32_t)f->checksum_off;
	const uint16_t folded = (uint16_t)((sum >> 16) + sum);

	f->bytes[f->checksum] = (uint8_t)(folded >> 8);
	f->bytes[f->checksum + 1] = (uint8_t)folded;
}

static void check_nothing_left(void)
{
	if (rig_waiting(scene.r) > 0) {
		const struct rig_packet *p = rig_take(scene.r);

		print_error("came out of interface %u: ", p->interface);
		for (unsigned i = 0; i < p->length; i++)
			print_error("%02x", p->bytes[i]);
		print_error("\n");
		wrong("something came out that is not named before this line");
	}
}

static void do_in(char *rest, uint64_t flags)
{
	struct frame f;
	char *save;
	const uint16_t interface = interface_read(strtok_r(rest, " \t\n", &save));

	check_nothing_left();
	read_frame(&f, save);
	checksum_put(&f);
	scene.r->rx_flags = flags;
	rig_put(scene.r, interface, f.bytes, f.length);
}

static void check_frame(const struct frame *f, const struct rig_packet *p)
{
	bool same = p->length >= f->length && (p->length == f->length || p->length <= 60);

	for (size_t i = 0; i < p->length && same; i++) {
		const uint8_t want = i < f->length ? f->bytes[i] : 0;

		same = want == p->bytes[i] || (i < f->length && f->any[i]);
	}
	if (same)
		return;
	print_error("wanted ");
	for (size_t i = 0; i < f->length; i++)
		print_error("%02x", f->bytes[i]);
	print_error("\ngot    ");
	for (size_t i = 0; i < p->length; i++)
		print_error("%02x", p->bytes[i]);
	print_error("\n");
	wrong("another packet came out");
}

static void do_out(char *rest)
{
	struct frame f;
	char *save;
	const uint16_t interface = interface_read(strtok_r(rest, " \t\n", &save));
	const struct rig_packet *p = rig_take(scene.r);

	read_frame(&f, save);
	if (p == NULL)
		wrong("nothing came out");
	else if (p->interface != interface)
		wrong("came out of the other interface");
	for (size_t i = 0; i + 1 < f.length && i + 1 < p->length; i++) {
		struct capture *c = f.capture[i];

		if (c == NULL)
			continue;
		if (!c->known)
			memcpy(c->bytes, &p->bytes[i], 2);
		c->known = true;
		memcpy(&f.bytes[i], c->bytes, 2);
	}
	// Bytes that may be anything count in checksums as they are.
	for (size_t i = 0; i < f.length && i < p->length; i++)
		if (f.any[i])
			f.bytes[i] = p->bytes[i];
	checksum_put(&f);
	check_frame(&f, p);
}

static void do_time(const char *rest)
{
	char *end;
	const unsigned long long n = rest[0] == '+' ? strtoull(rest + 1, &end, 10) : 0;

	check_nothing_left();
	if (n == 0)
		wrong("wanted +NUMBER with ms or s");
	rig_advance_slowly(scene.r, n * (strncmp(end, "ms", 2) == 0 ? RIG_MS : RIG_S), 50 * RIG_MS);
}

static void do_health(char *rest)
{
	char *end;
	const unsigned long id = strtoul(rest, &end, 10);
	const char *word = strtok(end, " \t\n");

	check_nothing_left();
	if (id == 0 || id > UINT16_MAX || word == NULL)
		wrong("wanted MEMBER up, down or drain");
	else if (strcmp(word, "up") == 0)
		rig_health(scene.r, (uint16_t)id, POSTERN_MEMBER_TAKES_NEW);
	else if (strcmp(word, "down") == 0)
		rig_health(scene.r, (uint16_t)id, POSTERN_MEMBER_RESET);
	else
		rig_health(scene.r, (uint16_t)id, 0);
}

static void do_count(char *rest)
{
	char name[64];
	unsigned long n;

	if (sscanf(rest, "%63s +%lu", name, &n) != 2)
		wrong("wanted NAME +NUMBER");
	for (enum postern_counter c = 0; c < POSTERN_COUNTER_COUNT; c++) {
		if (strcmp(postern_counter_name(c), name) != 0)
			continue;
		const uint64_t grown = rig_count(scene.r, c) - scene.seen[c];

		if (grown != n) {
			print_error("%s +%lu\n", name, (unsigned long)grown);
			wrong("counted otherwise");
		}
		scene.seen[c] += grown;
		return;
	}
	wrong("no such counter");
}

static void do_rig(char *rest)
{
	struct rig_options o = {0};

	for (char *save, *w = strtok_r(rest, " \t\n", &save); w != NULL;
		w = strtok_r(NULL, " \t\n", &save)) {
		if (sscanf(w, "members=%u", &o.world.members) == 1 ||
			sscanf(w, "last-port=%hu", &o.world.last_port) == 1)
			continue;
		if (strcmp(w, "one-arm") == 0)
			o.world.one_arm = true;
		else if (strcmp(w, "udp") == 0)
			o.world.udp = true;
		else if (strcmp(w, "destination") == 0)
			o.world.destination = true;
		else if (strcmp(w, "tx-checksum") == 0)
			o.tx_checksum = true;
		else if (strcmp(w, "rx-checksum") == 0)
			o.rx_checksum = true;
		else if (strcmp(w, "two-arm") != 0)
			wrong("unknown word");
	}
	scene.r = rig_new(&o);
	postern_counters_read(scene.r->dp, scene.seen);
}

static void play_line(char *line)
{
	char *rest = line + strcspn(line, " \t\n");

	if (*rest != '\0')
		*rest++ = '\0';
	if (scene.r == NULL && strcmp(line, "rig") != 0)
		wrong("the first line must be \"rig\"");
	if (strcmp(line, "rig") == 0)
		do_rig(rest);
	else if (strcmp(line, "in") == 0)
		do_in(rest, 0);
	else if (strcmp(line, "in-unsummed") == 0)
		do_in(rest, RTE_MBUF_F_RX_L4_CKSUM_NONE);
	else if (strcmp(line, "out") == 0)
		do_out(rest);
	else if (strcmp(line, "quiet") == 0)
		check_nothing_left();
	else if (strcmp(line, "time") == 0)
		do_time(rest);
	else if (strcmp(line, "health") == 0)
		do_health(rest);
	else if (strcmp(line, "count") == 0)
		do_count(rest);
	else
		wrong("unknown line");
}

// Gathers lines that go on, without comments, and plays each.
static void play_file(FILE *file)
{
	static char whole[LINE_BYTES], part[LINE_BYTES];
	unsigned number = 0;

	whole[0] = '\0';
	while (fgets(part, sizeof(part), file) != NULL) {
		number++;
		part[strcspn(part, "#\n")] = '\0';
		if (part[strspn(part, " \t")] == '\0')
			continue;
		if (part[0] != ' ' && part[0] != '\t' && whole[0] != '\0') {
			play_line(whole);
			whole[0] = '\0';
		}
		if (whole[0] == '\0')
			scene.line = number;
		if (strlen(whole) + strlen(part) + 1 >= sizeof(whole))
			wrong("line too long");
		strcat(whole, part);
	}
	if (whole[0] != '\0')
		play_line(whole);
	check_nothing_left();
}

static void test_scene(void **state)
{
	memset(&scene, 0, sizeof(scene));
	snprintf(scene.path, sizeof(scene.path), "%s/%s", folder, (const char *)*state);
	FILE *file = fopen(scene.path, "r");

	assert_non_null(file);
	play_file(file);
	fclose(file);
	assert_non_null(scene.r);
	rig_free(scene.r);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

static int use_rig(void **state)
{
	(void)state;
	rig_failed = rig_wrong;
	return 0;
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[FILES_MAX];
	size_t n = 0;

	if (argc > 1)
		folder = argv[1];
	DIR *dir = opendir(folder);

	if (dir == NULL) {
		perror(folder);
		return 1;
	}
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		const size_t length = strlen(e->d_name);

		if (length < 5 || strcmp(e->d_name + length - 4, ".pkt") != 0 || n == FILES_MAX)
			continue;
		char *name = strdup(e->d_name);

		tests[n++] = (struct CMUnitTest){
			.name = name, .test_func = test_scene, .initial_state = name};
	}
	closedir(dir);
	qsort(tests, n, sizeof(tests[0]), compare);
	// A folder without scenarios would pass.
	const int failed =
		n == 0 ? 1 : _cmocka_run_group_tests("fixtures", tests, n, use_rig, NULL);

	for (size_t i = 0; i < n; i++)
		free(tests[i].initial_state);
	return failed;
}
