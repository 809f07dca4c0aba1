// SPDX-License-Identifier: BSD-2-Clause
// From headers over which parsers may fall out, and who of them does. Read by the differential tests:
// against sofia-sip and libosip2 here, against Kamailio over the network.

#pragma once

#include <stdio.h>

// Who disagrees with us: accepts what we refuse, refuses what we accept, or reads another domain.
enum {
	PEER_SOFIA = 1,
	PEER_OSIP = 2,
	PEER_KAMAILIO = 4,
};

struct sip_from_case {
	const char *line; // one or more header lines
	int disagree;
	const char *why; // what the disagreement is, and why ours is right for a border
};

// The message around such a line; returns its length.
static inline int sip_from_message(char *to, size_t size, const char *line)
{
	return snprintf(to, size,
		"MESSAGE sip:bob@contoso.com SIP/2.0\r\n"
		"Via: SIP/2.0/TCP sip.fabrikam.com;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n%s"
		"To: <sip:bob@contoso.com>\r\nCall-ID: 1@fabrikam.com\r\nCSeq: 1 MESSAGE\r\n"
		"Content-Length: 0\r\n\r\n",
		line);
}

static const struct sip_from_case sip_from_cases[] = {
	{"From: <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: sip:alice@fabrikam.com;tag=1\r\n", 0, NULL},
	{"f:<sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From : <sip:alice@FABRIKAM.Com>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@fabrikam.com.>;tag=1\r\n", 0, NULL},
	{"From: <sip:fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: <sips:alice:secret@fabrikam.com:5061;transport=tls>;tag=1\r\n", 0, NULL},
	{"From: \"Alice\" <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: Alice B <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: \"<sip:a@evil.example>\" <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: \"a\\\"<sip:a@evil.example>\\\\\" <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: \"\xc3\x85sa\" <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: \xc3\x85sa <sip:alice@fabrikam.com>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"refused by them, taken by us: no bracket hides in bytes above ASCII"},
	{"From: \"A\r\n b\"\r\n <sip:alice@fabrikam.com>\r\n ;tag=1\r\n", PEER_KAMAILIO,
		"Kamailio has no folds inside quotation marks; we send none on"},
	{"From: <sip:a;b=c@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: <sip:a%40evil.example@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: <sip:a/b?c@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@fabrikam.com?x=y>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@fabrikam.com;x=%40evil.example>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@fabrikam.com>;tag=1;x=\"<sip:a@evil.example>\"\r\n", 0, NULL},
	{"From: <sip:alice@192.0.2.1>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@[2001:db8::1]:5061>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@_a.fabrikam.com>;tag=1\r\n", PEER_KAMAILIO,
		"Kamailio has no underscores in names; DNS has"},
	{"From: <sip:a@b@evil.example>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"a second at-sign: which one ends the user"},
	{"From: <sip:alice@fabrikam.com@evil.example>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"likewise"},
	{"From: <sip:alice@fabrikam.com;x=y@evil.example>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"a second at-sign behind a semicolon: the user of one reader is a parameter of "
		"another"},
	{"From: <sip:alice@fabrikam.com?x=y@evil.example>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"likewise behind a question mark"},
	{"From: sip:a;b@evil.example\r\n", PEER_KAMAILIO,
		"without angle brackets the semicolon ends the URI (RFC 3261 20), or it stands in "
		"the user"},
	{"From: sip:fabrikam.com;tag=1@evil.example\r\n", PEER_OSIP | PEER_KAMAILIO, "likewise"},
	{"From: sip:a,b@evil.example;tag=1\r\n", PEER_OSIP | PEER_KAMAILIO,
		"a comma without angle brackets: in the user, or the end of the value"},
	{"From: sip:a?b@evil.example;tag=1\r\n", PEER_OSIP | PEER_KAMAILIO,
		"a question mark without angle brackets: in the user, or the begin of headers"},
	{"From: sip:alice@fabrikam.com?x=y;tag=1\r\n", PEER_OSIP | PEER_KAMAILIO,
		"headers of a URI without angle brackets, or a parameter's value"},
	{"From: <sip:alice@fabrikam.com>, <sip:a@evil.example>;tag=1\r\n", PEER_OSIP,
		"two values where one may stand"},
	{"From: <sip:alice@fabrikam.com> <sip:a@evil.example>;tag=1\r\n", PEER_OSIP, "likewise"},
	{"From: <<sip:alice@fabrikam.com>>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@fabrikam.com>>;tag=1\r\n", PEER_OSIP, "a bracket too many"},
	{"From: <sip:alice@fabrikam.com\r\n", 0, NULL},
	{"From: sip:alice@fabrikam.com>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"a bracket too many, which they take for a part of the host"},
	{"From: < sip:alice@fabrikam.com >;tag=1\r\n", PEER_KAMAILIO,
		"white space in a URI: some take it off, some keep it"},
	{"From: <sip:alice @fabrikam.com>;tag=1\r\n", PEER_SOFIA | PEER_OSIP, "likewise"},
	{"From: <sip:alice@fabrikam.com .evil.example>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"white space in a host: where one reader's name ends another's goes on"},
	{"From: <sip:alice@fabrikam%2ecom>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"a percent-encoded host: decoded by one, compared as it stands by another"},
	{"From: <sip:alice%40fabrikam.com>;tag=1\r\n", PEER_SOFIA | PEER_OSIP | PEER_KAMAILIO,
		"an encoded at-sign where the host is: decoded later, it makes a user"},
	{"From: <sip:alice@fabrikam..com>;tag=1\r\n", PEER_SOFIA | PEER_OSIP | PEER_KAMAILIO,
		"no name has an empty label"},
	{"From: <sip:alice@-fabrikam.com>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"no label begins with a hyphen"},
	{"From: <sip:alice@.fabrikam.com>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"no name has an empty label"},
	{"From: <sip:alice@3221225985>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"an IP address in a spelling of old, which a resolver may still understand"},
	{"From: <sip:alice@0xc0000201>;tag=1\r\n", PEER_SOFIA | PEER_OSIP | PEER_KAMAILIO,
		"likewise"},
	{"From: <sip:alice@fabrik\xc3\xa4"
	 "m.com>;tag=1\r\n",
		PEER_SOFIA | PEER_OSIP,
		"names on the wire are ASCII; what the bytes mean depends on the reader"},
	{"From: <sip:alice@fabrikam.com\\.evil.example>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"a backslash is in no host"},
	{"From: <sip:alice@fabrikam.com/.evil.example>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"a slash ends the host for readers of other URIs"},
	{"From: <sip:alice@fabrikam.com#.evil.example>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"likewise a hash sign"},
	{"From: <sip:alice@fabrikam.com:5061.evil.example>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@fabrikam.com:99999>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"no such port: cut to 16 bits it is another"},
	{"From: (Alice) <sip:alice@fabrikam.com>;tag=1\r\n", PEER_KAMAILIO,
		"From has no comments: a reader that knows none takes what stands in it"},
	{"From: (<sip:a@evil.example>) <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@fabrikam.com> (Alice);tag=1\r\n", PEER_OSIP, "likewise behind the URI"},
	{"From: <sip:alice@fabrikam.com(x)>;tag=1\r\n", PEER_SOFIA | PEER_OSIP,
		"likewise in a host"},
	{"From: \"Alice <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: \"Alice\\\" <sip:a@evil.example> \" <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: Alice\" <sip:a@evil.example> \" <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: \"Alice\" x <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: Smith, Alice <sip:alice@fabrikam.com>;tag=1\r\n", PEER_KAMAILIO,
		"a comma in a display name without quotes: to some readers a list"},
	{"From: <sip:alice@fabrikam.com>;tag=1;tag=2\r\n", PEER_SOFIA | PEER_OSIP | PEER_KAMAILIO,
		"two tags: dialogs are told apart by one of them"},
	{"From: <sip:alice@fabrikam.com>\r\nFrom: <sip:a@evil.example>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@fabrikam.com>;tag=1\r\nf: <sip:a@evil.example>;tag=1\r\n", 0, NULL},
	{"From: <sip:alice@fabrikam.com>\r\nfRoM : <sip:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: <tel:+1555>;tag=1\r\n", 0, NULL},
	{"From: <http://www.evil.example/>;tag=1\r\n", 0, NULL},
	{"From: <SIP:alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: alice@fabrikam.com;tag=1\r\n", 0, NULL},
	{"From: <alice@fabrikam.com>;tag=1\r\n", 0, NULL},
	{"From: <sip:@fabrikam.com>;tag=1\r\n", PEER_SOFIA | PEER_OSIP, "an empty user"},
	{"From: <sip:alice@>;tag=1\r\n", 0, NULL},
};

#define SIP_FROM_CASES (sizeof(sip_from_cases) / sizeof(sip_from_cases[0]))
