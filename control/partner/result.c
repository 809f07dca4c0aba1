// SPDX-License-Identifier: BSD-2-Clause
// The words for each result.

#include "control/partner/result.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct words {
	const char *meaning, *request;
};

static const char *const steps[] = {
#define X(enumerator, name) [PARTNER_STEP_##enumerator] = (name),
	PARTNER_STEPS(X)
#undef X
};

static const char *const results[] = {
#define X(enumerator, name) [PARTNER_##enumerator] = (name),
	PARTNER_RESULTS(X)
#undef X
};

static const struct words words[PARTNER_RESULT_COUNT] = {
	[PARTNER_REFUSED_HERE] = {"The policy here refuses this domain, whatever its server does.",
		NULL},
	[PARTNER_REFUSED_FOR_DNS] = {"It is refused here as long as DNS says what it says.", NULL},
	[PARTNER_LOCAL] = {"This machine could not try it; that says nothing of the partner.",
		NULL},
	[PARTNER_SRV_NONE] =
		{"The domain publishes no SRV record for federation, so nobody can find its edge "
		 "server.",
			"to publish _sipfederationtls._tcp as an SRV record with port 5061 that "
			"points to a host in the domain; or for the name of its edge server, to "
			"be entered here as proxy-fqdn"},
	[PARTNER_SRV_FAILED] = {"The domain's name servers gave no usable answer, or the resolver "
				"did not.",
		"whether its name servers answer from outside for _sipfederationtls._tcp (and look "
		"here whether the resolver answers for other domains)"},
	[PARTNER_SRV_BOGUS] = {"The validating resolver threw the answer away: the zone is signed, "
			       "and the signatures are wrong.",
		"to repair DNSSEC of its zone (expired signatures, or a DS record that does not "
		"fit)"},
	[PARTNER_SRV_NOT_OFFERED] = {"The SRV record's target is \".\": the domain says that it "
				     "does not federate.",
		"whether it federates at all, and to publish a target if it does"},
	[PARTNER_SRV_UNUSABLE] = {"The SRV record points to no host name (an address, for example) "
				  "or to port 0.",
		"to let the SRV record point to a name that has A or AAAA records"},
	[PARTNER_SRV_OTHER_DOMAIN] =
		{"The SRV record points to a host outside of the domain. Whoever spoofs DNS could "
		 "do that with any certificate, so such a target proves nothing.",
			"to let the record point to a host in its own domain, with a certificate "
			"for that; or, if the host is rightly another's, enter it here as "
			"proxy-fqdn, or allow the domain with trust-srv=true"},
	[PARTNER_ADDRESS_NONE] = {"The edge server's name has no A or AAAA record.",
		"to publish the address of its edge server under that name"},
	[PARTNER_ADDRESS_FAILED] =
		{"The name servers of the edge server's name gave no usable answer.",
			"whether its name servers answer from outside for that name"},
	[PARTNER_ADDRESS_BOGUS] = {"The validating resolver threw the address away: the zone is "
				   "signed, and the signatures are wrong.",
		"to repair DNSSEC of its zone"},
	[PARTNER_ADDRESS_UNUSABLE] = {"The address cannot be a server on the network: loopback, "
				      "multicast, link-local or none.",
		"to publish the public address of its edge server"},
	[PARTNER_TCP_REFUSED] = {"The host is there and nothing listens on that port, or a "
				 "firewall refuses us.",
		"whether its edge server runs, listens on that port, and its firewall admits our "
		"address"},
	[PARTNER_TCP_TIMEOUT] = {"Nothing came back: a firewall drops what we send (theirs, or one "
				 "on our side), or the address is wrong.",
		"whether its firewall admits our address on that port, and whether the address "
		"published is right"},
	[PARTNER_TCP_UNREACHABLE] = {"There is no way to that address from here.",
		"whether the address published is right; and look at the routes of this machine"},
	[PARTNER_TCP_RESET] = {"The connection was reset at once: a firewall, or a server that is "
			       "full or starting.",
		"whether its firewall or edge server closes connections from our address"},
	[PARTNER_TLS_TIMEOUT] = {"The port accepts connections and answers no TLS: something else "
				 "listens there, or the server hangs.",
		"whether the edge server's access edge service answers TLS on that port"},
	[PARTNER_TLS_NOT_TLS] = {"Something listens there that does not speak TLS.",
		"to have SIP over TLS (not TCP) on that port, or to publish the right port"},
	[PARTNER_TLS_VERSION] = {"The two sides have no version of TLS in common.",
		"to enable TLS 1.2 (on old Windows servers by update and registry); or, knowing "
		"the risk, allow the domain here with lowest-tls=1.0"},
	[PARTNER_TLS_CIPHER] = {"The two sides have no cipher or group in common, or its keys or "
				"signatures are too old for us.",
		"to enable the usual suites (ECDHE with AES-GCM); or, knowing the risk, allow the "
		"domain here with lowest-tls=1.0, which admits old ones"},
	[PARTNER_TLS_CLOSED] =
		{"The peer closed the connection in the middle of the handshake without a word. "
		 "Windows does that when no version or cipher fits, or when our certificate does "
		 "not please; firewalls do it to addresses that they do not know.",
			"what its event log (Schannel) or firewall says of our address at that "
			"time"},
	[PARTNER_TLS_RESET] = {"The peer reset the connection in the middle of the handshake. "
			       "Windows does that when no version or cipher fits, or when our "
			       "certificate does not please.",
		"what its event log (Schannel) or firewall says of our address at that time"},
	[PARTNER_TLS_NO_CERTIFICATE] =
		{"The peer wants our certificate, as federation does, and there is none to show: "
		 "write tls with certificate and key of the access edge service.",
			NULL},
	[PARTNER_TLS_CERTIFICATE_REFUSED] =
		{"The peer objects to our certificate: it does not trust who issued it, finds it "
		 "expired, or not meant for clients.",
			"to trust the authority of our certificate, intermediates included, and "
			"whether it wants clientAuth in it (see plan certificates)"},
	[PARTNER_TLS_PEER_ALERT] = {"The peer ended the handshake with an alert.",
		"what its event log says of our address at that time"},
	[PARTNER_TLS_FAILED] = {"The handshake failed.",
		"what its event log says of our address at that time"},
	[PARTNER_CHAIN_INCOMPLETE] =
		{"The peer sent its own certificate alone, and who issued that is not trusted "
		 "here: most often the intermediates are missing. Windows fetches them by "
		 "itself and hides the mistake.",
			"to install the intermediate certificates on its edge server, so that it "
			"sends the whole chain; or, if the issuer is a root of its own, for that "
			"root, to be put into the file under tls trust"},
	[PARTNER_CHAIN_UNTRUSTED] = {"The chain ends at an authority that is not trusted here.",
		"for a certificate of a public authority; or for its root, to be put into the file "
		"under tls trust"},
	[PARTNER_CHAIN_SELF_SIGNED] = {"The certificate is signed by itself, which proves nothing.",
		"for a certificate of an authority that both sides trust"},
	[PARTNER_CHAIN_EXPIRED] = {"A certificate in the chain has expired.",
		"to renew it and to restart what shows it"},
	[PARTNER_CHAIN_NOT_YET] =
		{"A certificate in the chain is not valid yet: it is new, or a clock is wrong.",
			"when its certificate becomes valid (and look at the clock here)"},
	[PARTNER_CHAIN_PURPOSE] = {"The certificate is not meant for servers (serverAuth).",
		"for a certificate with serverAuth, and with clientAuth if it can be had"},
	[PARTNER_CHAIN_WEAK] = {"A key or signature in the chain is too weak (RSA below 2048 bits, "
				"SHA-1, MD5).",
		"for a certificate with a key of 2048 bits or more and SHA-256"},
	[PARTNER_CHAIN_BAD] = {"The chain cannot be verified.",
		"to look at the certificate of its edge server"},
	[PARTNER_NAME_MISMATCH] =
		{"The certificate proves other names than the one that we went to, so it may be "
		 "anybody's.",
			"for a certificate with that name among its subject alternative names; or, "
			"if one of the names seen is rightly its server's, enter that here as "
			"further-names"},
	[PARTNER_OPTIONS_FORBIDDEN] = {"The partner's server works, and refuses us by its policy.",
		"to allow our domain in its list of allowed domains"},
	[PARTNER_OPTIONS_UNROUTED] =
		{"The partner's edge server works, and did not get further inside.",
			"what is wrong behind its edge server (next hop, Front End)"},
	[PARTNER_OPTIONS_TIMEOUT] = {"TLS stands, and SIP is not answered: another service, or a "
				     "server that hangs.",
		"whether the access edge service is what listens there, and works"},
	[PARTNER_OPTIONS_CLOSED] =
		{"The peer closed the connection instead of answering: most often it does not "
		 "admit our certificate or our domain.",
			"whether our domain is allowed there, and whether it trusts our "
			"certificate and finds our name in it"},
	[PARTNER_OPTIONS_NOT_SIP] = {"What answered does not speak SIP.",
		"whether the access edge service is what listens there (and not, for example, a "
		"web server)"},
};

const char *partner_step_name(enum partner_step_kind kind)
{
	return steps[kind];
}

const char *partner_result_name(enum partner_result result)
{
	return results[result];
}

bool partner_result_is_good(enum partner_result result)
{
	return result == PARTNER_OK || result == PARTNER_SKIPPED ||
	       result == PARTNER_OPTIONS_FORBIDDEN || result == PARTNER_OPTIONS_UNROUTED;
}

const char *partner_result_meaning(enum partner_result result)
{
	return words[result].meaning;
}

const char *partner_result_request(enum partner_result result)
{
	return words[result].request;
}

void partner_step_add(struct partner_step *step, const char *format, ...)
{
	const size_t used = strlen(step->text);
	va_list args;

	va_start(args, format);
	vsnprintf(step->text + used, sizeof(step->text) - used, format, args);
	va_end(args);
}
