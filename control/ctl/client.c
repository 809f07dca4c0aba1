// SPDX-License-Identifier: BSD-2-Clause
// The connection to postern: one request, one answer.

#include "control/ctl/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

// The server never queues more than 8 MiB for a client, and one answer is less than all of that.
#define ANSWER_MAX (16u * 1024u * 1024u)
// Longer than any answer takes, a reload included.
#define TIMEOUT_S 60

static void complain(const struct ctl_client *c, const char *what)
{
	fprintf(stderr, "posternctl: %s: %s\n", c->path, what);
}

static void explain_connect(const struct ctl_client *c, int err)
{
	fprintf(stderr, "posternctl: cannot reach postern at %s: %s\n", c->path, strerror(err));
	if (err == EACCES || err == EPERM)
		fputs("The socket is open to root and to the group that postern.control-group "
		      "names.\n",
			stderr);
	else
		fputs("Is postern running? Another socket is given with -s SOCKET or in the "
		      "environment as POSTERN_SOCKET.\n",
			stderr);
}

static int dial(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
		connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

static bool send_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		text += sent;
		length -= (size_t)sent;
	}
	return true;
}

// One line without its newline, which the caller frees; NULL with errno 0 at the end.
static char *receive_line(int fd, size_t *length)
{
	size_t size = 64u * 1024u;
	char *line = malloc(size);

	*length = 0;
	while (line) {
		// Nothing follows an answer before the next request, so a read ends with it.
		ssize_t got = recv(fd, line + *length, size - *length, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got == 0 ? 0 : errno;
			break;
		}
		*length += (size_t)got;
		char *end = memchr(line + *length - got, '\n', (size_t)got);
		if (end) {
			*length = (size_t)(end - line);
			return line;
		}
		if (*length == ANSWER_MAX) {
			errno = EMSGSIZE;
			break;
		}
		if (*length == size) {
			char *more = realloc(line, size * 2);
			if (!more)
				break;
			line = more;
			size *= 2;
		}
	}
	free(line);
	return NULL;
}

static json_t *receive(struct ctl_client *c, bool quiet)
{
	size_t length;
	char *line = receive_line(c->fd, &length);

	if (!line) {
		if (!quiet)
			complain(c, errno == 0        ? "postern closed the connection"
				    : errno == EAGAIN ? "postern did not answer within 60 s"
						      : strerror(errno));
		return NULL;
	}
	json_t *answer = json_loadb(line, length, 0, NULL);
	free(line);
	if (json_object_get(answer, "result") || json_is_object(json_object_get(answer, "error")))
		return answer;
	json_decref(answer);
	if (!quiet)
		complain(c, "what answers there is not postern");
	return NULL;
}

// The request with its newline, so that it leaves in one piece.
static char *request_line(json_int_t id, const char *method, json_t *params)
{
	json_t *request = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", id, "method",
		method, "params", params);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	char *line = text ? ctl_text_format("%s\n", text) : NULL;

	free(text);
	json_decref(request);
	return line;
}

json_t *ctl_client_call(struct ctl_client *c, const char *method, json_t *params, bool quiet)
{
	char *line = request_line(++c->last_id, method, params);

	if (!line) {
		// Arguments are bytes; JSON takes UTF-8 only.
		if (!quiet)
			complain(c, "the arguments are not valid UTF-8");
		return NULL;
	}
	// A server that refuses us says so before it closes, so what it sent is read in any case.
	bool sent = send_all(c->fd, line, strlen(line));
	json_t *answer = receive(c, quiet || !sent);
	if (!answer && !sent && !quiet)
		complain(c, "postern closed the connection");
	free(line);
	return answer;
}

int ctl_client_open(struct ctl_client *c, const char *path, bool quiet)
{
	*c = (struct ctl_client){.path = path, .fd = dial(path)};
	if (c->fd < 0) {
		if (!quiet)
			explain_connect(c, -c->fd);
		c->fd = -1;
		return CTL_USAGE;
	}
	json_t *answer = ctl_client_call(c, "describe", json_object(), quiet);
	c->methods = json_incref(json_object_get(json_object_get(answer, "result"), "items"));
	const json_t *error = json_object_get(answer, "error");
	if (error && !quiet)
		ctl_print_error(error);
	else if (answer && !json_is_array(c->methods) && !quiet)
		complain(c, "what answers there is not postern");
	json_decref(answer);
	return json_is_array(c->methods) ? CTL_OK : CTL_USAGE;
}

void ctl_client_close(struct ctl_client *c)
{
	json_decref(c->methods);
	if (c->fd >= 0)
		close(c->fd);
}

const json_t *ctl_client_method(const struct ctl_client *c, const char *noun, const char *verb)
{
	size_t length = strlen(noun);
	size_t i;
	json_t *method;

	json_array_foreach(c->methods, i, method)
	{
		const char *name = json_string_value(json_object_get(method, "name"));

		if (name && strncmp(name, noun, length) == 0 && name[length] == '.' &&
			strcmp(name + length + 1, verb) == 0)
			return method;
	}
	return NULL;
}

static bool needs_params(const json_t *method)
{
	size_t i;
	json_t *param;

	json_array_foreach(json_object_get(method, "params"), i,
		param) if (json_is_true(json_object_get(param, "required"))) return true;
	return false;
}

const json_t *ctl_client_default(const struct ctl_client *c, const char *noun)
{
	const json_t *show = ctl_client_method(c, noun, "show");

	return show && !needs_params(show) ? show : ctl_client_method(c, noun, "list");
}

const json_t *ctl_client_only(const struct ctl_client *c, const char *noun)
{
	const size_t length = strlen(noun);
	const json_t *only = NULL;
	size_t i;
	json_t *method;

	json_array_foreach(c->methods, i, method)
	{
		const char *name = json_string_value(json_object_get(method, "name"));

		if (!name || strncmp(name, noun, length) != 0 || name[length] != '.')
			continue;
		if (only)
			return NULL;
		only = method;
	}
	return only;
}

bool ctl_client_is_verb(const struct ctl_client *c, const char *word)
{
	size_t i;
	json_t *method;

	json_array_foreach(c->methods, i, method)
	{
		const char *name = json_string_value(json_object_get(method, "name"));
		const char *dot = name ? strchr(name, '.') : NULL;

		if (dot && strcmp(dot + 1, word) == 0)
			return true;
	}
	return false;
}

char *ctl_client_verbs(const struct ctl_client *c, const char *noun)
{
	const size_t length = strlen(noun);
	char *verbs = NULL;
	size_t i;
	json_t *method;

	json_array_foreach(c->methods, i, method)
	{
		const char *name = json_string_value(json_object_get(method, "name"));

		if (!name || strncmp(name, noun, length) != 0 || name[length] != '.')
			continue;
		char *more = ctl_text_format(
			"%s%s%s", verbs ? verbs : "", verbs ? ", " : "", name + length + 1);
		free(verbs);
		verbs = more;
	}
	return verbs;
}
