// SPDX-License-Identifier: BSD-2-Clause
// The sets of characters of RFC 3261 25.1, and what their look-ups do where a vector is too long.

#include "sip/private.h"

#define ANY_OF_2(c, a, b)       ((c) == (a) || (c) == (b))
#define ANY_OF_4(c, a, b, d, e) (ANY_OF_2(c, a, b) || ANY_OF_2(c, d, e))

#define DIGIT(c) ((c) >= '0' && (c) <= '9')
#define ALPHA(c) (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z'))
#define HEX(c)   (DIGIT(c) || ((c) >= 'a' && (c) <= 'f') || ((c) >= 'A' && (c) <= 'F'))
#define ALNUM(c) (ALPHA(c) || DIGIT(c))
#define SPACE(c) ANY_OF_4(c, ' ', '\t', '\r', '\n')

#define TOKEN(c)                                                                                   \
	(ALNUM(c) || ANY_OF_4(c, '-', '.', '!', '%') || ANY_OF_4(c, '*', '_', '+', '`') ||         \
		ANY_OF_2(c, '\'', '~'))
#define WORD(c)                                                                                    \
	(TOKEN(c) || ANY_OF_4(c, '(', ')', '<', '>') || ANY_OF_4(c, ':', '\\', '"', '/') ||        \
		ANY_OF_4(c, '[', ']', '?', '{') || (c) == '}')
#define UNRESERVED(c)                                                                              \
	(ALNUM(c) || ANY_OF_4(c, '-', '_', '.', '!') || ANY_OF_4(c, '~', '*', '\'', '(') ||        \
		(c) == ')')

#define USER_BARE(c)     (UNRESERVED(c) || ANY_OF_4(c, '&', '=', '+', '$') || (c) == '/')
#define USER(c)          (USER_BARE(c) || ANY_OF_2(c, ',', ';') || (c) == '?')
#define PASSWORD_BARE(c) (UNRESERVED(c) || ANY_OF_4(c, '&', '=', '+', '$'))
#define PASSWORD(c)      (PASSWORD_BARE(c) || (c) == ',')

// '_' is no letter of a host name, but servers have been called so.
#define HOST(c) (ALNUM(c) || ANY_OF_2(c, '-', '.') || (c) == '_')
#define V6(c)   (HEX(c) || ANY_OF_2(c, ':', '.'))

#define URI_PARAMETER(c)                                                                           \
	(UNRESERVED(c) || ANY_OF_4(c, '[', ']', '/', ':') || ANY_OF_2(c, '&', '+') || (c) == '$')
#define URI_HEADERS(c)                                                                             \
	(UNRESERVED(c) || ANY_OF_4(c, '[', ']', '/', '?') || ANY_OF_2(c, ':', '+') ||              \
		ANY_OF_2(c, '$', '&') || (c) == '=')
#define OPAQUE_BARE(c)                                                                             \
	(UNRESERVED(c) || ANY_OF_4(c, '/', ':', '@', '&') || ANY_OF_2(c, '=', '+') ||              \
		ANY_OF_2(c, '$', '[') || (c) == ']')
#define OPAQUE(c) (OPAQUE_BARE(c) || ANY_OF_2(c, ';', ',') || (c) == '?')

#define DISPLAY(c) (TOKEN(c) || SPACE(c))
#define VALUE(c)   (TOKEN(c) || ANY_OF_2(c, '[', ']') || (c) == ':')
#define QUOTE(c)   ANY_OF_2(c, '"', '\\')

const struct sip_set sip_set_token = SIP_SET(TOKEN);
const struct sip_set sip_set_word = SIP_SET(WORD);
const struct sip_set sip_set_display = SIP_SET(DISPLAY);
const struct sip_set sip_set_digit = SIP_SET(DIGIT);
const struct sip_set sip_set_user = SIP_SET(USER);
const struct sip_set sip_set_user_bare = SIP_SET(USER_BARE);
const struct sip_set sip_set_password = SIP_SET(PASSWORD);
const struct sip_set sip_set_password_bare = SIP_SET(PASSWORD_BARE);
const struct sip_set sip_set_host = SIP_SET(HOST);
const struct sip_set sip_set_v6 = SIP_SET(V6);
const struct sip_set sip_set_uri_parameter = SIP_SET(URI_PARAMETER);
const struct sip_set sip_set_uri_headers = SIP_SET(URI_HEADERS);
const struct sip_set sip_set_opaque = SIP_SET(OPAQUE);
const struct sip_set sip_set_opaque_bare = SIP_SET(OPAQUE_BARE);
const struct sip_set sip_set_value = SIP_SET(VALUE);
const struct sip_set sip_set_quote = SIP_SET(QUOTE);

#if SIP_VECTOR

const uint8_t *sip_set_skip_tail(const struct sip_set *s, const uint8_t *p, const uint8_t *end)
{
	return sip_set_skip_plain(s, p, end);
}

const uint8_t *sip_set_find_tail(const struct sip_set *s, const uint8_t *p, const uint8_t *end)
{
	return sip_set_find_plain(s, p, end);
}

#endif
