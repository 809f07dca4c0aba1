# SPDX-License-Identifier: BSD-2-Clause
"""partner test, against real peers that fail in every way there is."""

import concurrent.futures
import socket
import ssl
import threading

import pytest

from conftest import quick
from lab import certs, netns, world
from lab.postern import Postern, RpcError
from lab.process import wait_until

GOOD4, GOOD6 = "203.0.113.101", "2001:db8:0:1::101"
BAD4 = "203.0.113.102"
NOBODY4 = "203.0.113.103"
ORGANISATIONS = [{"name": "contoso", "domains": ["contoso.com"]}]
OURS = {"certificate": "edge.pem", "key": "edge.key", "trust": "ca.pem"}


def configuration(tls=OURS):
    c = quick()
    c["organisations"] = ORGANISATIONS
    if tls:
        c["services"][0]["tls"] = tls
    return c


@pytest.fixture(scope="module")
def zones(lab):
    world.manage(lab)
    world.add_address(lab, GOOD4, GOOD6, BAD4, NOBODY4)
    z = world.Zones(lab)
    yield z
    z.restore()
    world.remove_address(lab, GOOD4, GOOD6, BAD4, NOBODY4)
    world.unmanage(lab)


@pytest.fixture(scope="module")
def peer(lab, zones):
    """The partner that works: Kamailio at two addresses, of adatum.com."""
    certs.issue(lab.folder, "adatum", "sip.adatum.com", "adatum.com")
    server = world.sip_server(lab, "adatum", GOOD4, GOOD6, "adatum")
    server.start()
    zones.set(
        "adatum.com", "_sipfederationtls._tcp SRV 0 0 5061 sip", f"sip A {GOOD4}",
        f"sip AAAA {GOOD6}",
    )
    yield server
    server.stop()


@pytest.fixture(scope="module")
def mine(lab, streams, peer):
    p = Postern(lab, configuration(), name="tester")
    p.start()
    p.ctl("policy", "set", "AllowFederatedUsers", "true")
    p.ctl("policy", "set", "EnablePartnerDiscovery", "true")
    yield p
    assert p.stop() == 0
    p.discard()


def run(p, domain):
    return p.call("partner.test", domain=domain, timeout=30)


def steps(report):
    return [(s["step"], s["result"]) for s in report["steps"]]


def last(report):
    return report["steps"][-1]


def failed(p, domain, step, result, text=""):
    """The test ends at that step with that result, and says what to do."""
    report = run(p, domain)
    assert report["verdict"] == "failed", report["text"]
    wrong = [s for s in report["steps"] if not s["good"] and s["step"] != "decision"]
    assert (wrong[0]["step"], wrong[0]["result"]) == (step, result), report["text"]
    assert text in wrong[0]["text"]
    assert wrong[0]["meaning"]
    assert wrong[0]["meaning"].split()[0] in report["text"]
    return report


def test_a_partner_that_works(mine):
    report = run(mine, "adatum.com")
    assert report["verdict"] == "ok", report["text"]
    whole = [("tcp", "ok"), ("tls", "ok"), ("certificate", "ok"), ("names", "ok"), ("options", "ok")]
    assert steps(report) == [("decision", "ok"), ("srv", "ok"), ("address", "ok")] + 2 * whole
    assert report["decision"]["row"] == "8", report["decision"]
    addresses = {s["address"] for s in report["steps"] if s["step"] == "options"}
    assert addresses == {f"{GOOD4}:5061", f"[{GOOD6}]:5061"}
    assert "shown our certificate of sip.contoso.com" in report["text"]
    timed = [s for s in report["steps"] if s["took-ms"] is not None]
    assert {s["step"] for s in timed} == {"srv", "address", "tcp", "tls", "options"}
    shown = mine.ctl("partner", "test", "Adatum.COM.")
    assert "adatum.com can be reached from here." in shown.stdout


def test_the_policy_is_the_first_line(mine):
    mine.ctl("blocked-domain", "add", "adatum.com")
    done = mine.ctl("partner", "test", "adatum.com", check=False)
    assert done.returncode == 0  # the way is good, and that is what was asked
    assert "decision     FAILED" in done.stdout
    assert "blocked" in done.stdout
    mine.ctl("blocked-domain", "remove", "adatum.com")


def test_entries_that_name_a_server_ask_for_no_srv(mine, zones):
    zones.set("nosrv.example", "@ A 192.0.2.1")
    failed(mine, "nosrv.example", "srv", "no-srv")
    mine.ctl("allowed-domain", "add", "nosrv.example", "proxy-fqdn=sip.adatum.com")
    report = run(mine, "nosrv.example")
    assert report["verdict"] == "ok", report["text"]
    assert steps(report)[:2] == [("decision", "ok"), ("srv", "not-needed")]
    mine.ctl("allowed-domain", "remove", "nosrv.example")


def test_dns_failures(mine, zones):
    zones.set("dot.example", "_sipfederationtls._tcp SRV 0 0 0 .")
    failed(mine, "dot.example", "srv", "srv-not-offered")
    zones.set("literal.example", f"_sipfederationtls._tcp SRV 0 0 5061 {GOOD4}.")
    failed(mine, "literal.example", "srv", "srv-unusable")
    zones.set("other.example", "_sipfederationtls._tcp SRV 0 0 5061 sip.adatum.com.")
    failed(mine, "other.example", "srv", "srv-other-domain", "0 0 5061 sip.adatum.com")
    zones.set("lost.example", "_sipfederationtls._tcp SRV 0 0 5061 sip")
    failed(mine, "lost.example", "address", "no-address")
    zones.set("loop.example", "_sipfederationtls._tcp SRV 0 0 5061 sip", "sip A 127.0.0.1")
    failed(mine, "loop.example", "address", "address-unusable")
    # Of a zone that it does not have, the server refuses to speak.
    failed(mine, "elsewhere.example", "srv", "srv-failed")


def test_another_domains_server_if_the_entry_says_so(mine, zones):
    zones.set("hosted.example", "_sipfederationtls._tcp SRV 0 0 5061 sip.adatum.com.")
    mine.ctl("allowed-domain", "add", "hosted.example", "trust-srv=true")
    assert run(mine, "hosted.example")["verdict"] == "ok"
    mine.ctl("allowed-domain", "remove", "hosted.example")


def test_one_of_two_targets_works(mine, zones):
    zones.set(
        "half.example", "_sipfederationtls._tcp SRV 10 0 5061 sip2",
        "_sipfederationtls._tcp SRV 20 0 5061 sip.adatum.com.",
        f"sip2 A {NOBODY4}",
    )
    mine.ctl("allowed-domain", "add", "half.example", "trust-srv=true")
    done = mine.ctl("partner", "test", "half.example", check=False)
    assert done.returncode == 1
    assert "can be reached from here, at 2 of 3 addresses" in done.stdout
    mine.ctl("allowed-domain", "remove", "half.example")


@pytest.fixture
def at_bad(lab, zones):
    """bad.example, whose server is what the test makes of it."""
    zones.set("bad.example", "_sipfederationtls._tcp SRV 0 0 5061 sip", f"sip A {BAD4}")
    running = []

    def start(certificate, *options):
        running.append(world.TlsServer(lab, f"bad{len(running)}", BAD4, certificate, *options))

    yield start
    for server in running:
        server.stop()


def test_tcp_failures(lab, mine, at_bad, zones):
    report = failed(mine, "bad.example", "tcp", "refused")
    assert "ask the partner: whether its edge server runs" in " ".join(report["text"].split())
    edge = lab.ns("edge")
    netns.ip(edge, [f"route add unreachable {BAD4}"])
    failed(mine, "bad.example", "tcp", "unreachable")
    netns.ip(edge, [f"route del unreachable {BAD4}"])
    # Nobody has that address, and the router that is asked forwards nothing.
    zones.set("silent.example", "_sipfederationtls._tcp SRV 0 0 5061 sip", "sip A 198.18.0.1")
    netns.ip(edge, [f"route add 198.18.0.1 via {world.MANAGE_OUTSIDE}"])
    failed(mine, "silent.example", "tcp", "timeout", "no answer within 3000 ms")
    netns.ip(edge, ["route del 198.18.0.1"])


def test_addresses_are_tried_up_to_a_bound(lab, mine, zones):
    """Ten, of which eight are tried, all at once."""
    addresses = [f"203.0.113.{n}" for n in range(121, 131)]
    world.add_address(lab, *addresses)
    zones.set(
        "many.example", "_sipfederationtls._tcp SRV 0 0 5061 sip",
        *(f"sip A {a}" for a in addresses),
    )
    report = run(mine, "many.example")
    world.remove_address(lab, *addresses)
    assert [s["result"] for s in report["steps"] if s["step"] == "tcp"] == 8 * ["refused"]
    # What it means is said once.
    assert report["text"].count("it means:") == 1
    assert "were not tried" in report["text"]


def test_whom_the_system_trusts(mine):
    """Without trust of ours those that the system trusts, and the lab is not among them."""
    use_tls(mine, {"certificate": "edge.pem", "key": "edge.key"})
    report = run(mine, "adatum.com")
    use_tls(mine, OURS)
    assert report["verdict"] == "failed"
    wrong = {s["result"] for s in report["steps"] if s["step"] == "certificate"}
    assert wrong == {"untrusted"}, report["text"]


def test_tls_failures(lab, mine, at_bad):
    certs.issue(lab.folder, "bad", "sip.bad.example")
    at_bad("bad", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    failed(mine, "bad.example", "tls", "tls-version")


def test_a_peer_without_a_cipher_in_common(lab, mine, at_bad):
    certs.issue(lab.folder, "bad", "sip.bad.example")
    at_bad("bad", "-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0")
    failed(mine, "bad.example", "tls", "tls-cipher", "alert")


def test_our_certificate_is_refused(lab, mine, at_bad):
    certs.issue(lab.folder, "bad", "sip.bad.example")
    # It trusts nobody but itself.
    at_bad("bad", "-Verify", "1", "-verify_return_error", "-CAfile", "bad.pem", "-no-CApath")
    failed(mine, "bad.example", "options", "client-certificate-refused", "after the handshake")


def use_tls(p, tls):
    p.config["services"][0]["tls"] = tls
    p.write(p.config)
    p.reload()


def test_no_certificate_of_ours(mine):
    use_tls(mine, {"trust": "ca.pem"})
    report = run(mine, "adatum.com")
    use_tls(mine, OURS)
    assert "client-certificate-missing" in {s["result"] for s in report["steps"]}, report["text"]
    assert report["verdict"] == "failed"


def test_chain_failures(lab, mine, at_bad):
    folder = lab.folder
    certs.issue(folder, "bad", "sip.bad.example")
    certs._openssl(
        folder, "req", "-x509", "-batch", *certs._new_key(), "-keyout", "alone.key", "-out",
        "alone.pem", "-days", "9", "-subj", "/CN=sip.bad.example", "-addext",
        "subjectAltName=DNS:sip.bad.example",
    )
    at_bad("alone")
    failed(mine, "bad.example", "certificate", "self-signed")


def intermediate(folder):
    """An authority below the lab's, and a certificate that it has issued."""
    certs._openssl(
        folder, "req", "-batch", *certs._new_key(), "-keyout", "mid.key", "-out", "mid.csr",
        "-subj", "/CN=lab intermediate",
    )
    (folder / "mid.ext").write_text("basicConstraints=critical,CA:true\nkeyUsage=keyCertSign\n")
    certs._openssl(
        folder, "x509", "-req", "-in", "mid.csr", "-out", "mid.pem", "-days", "9", "-CA", "ca.pem",
        "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "mid.ext",
    )
    (folder / "low.ext").write_text("subjectAltName=DNS:sip.bad.example\n")
    certs._openssl(
        folder, "req", "-batch", *certs._new_key(), "-keyout", "low.key", "-out", "low.csr",
        "-subj", "/CN=sip.bad.example",
    )
    certs._openssl(
        folder, "x509", "-req", "-in", "low.csr", "-out", "low.pem", "-days", "9", "-CA",
        "mid.pem", "-CAkey", "mid.key", "-CAcreateserial", "-extfile", "low.ext",
    )


def test_a_chain_that_is_not_whole(lab, mine, at_bad):
    intermediate(lab.folder)
    at_bad("low")
    report = failed(mine, "bad.example", "certificate", "chain-incomplete", "lab intermediate")
    assert "install the intermediate certificates" in " ".join(report["text"].split())


def test_a_chain_that_is_whole_and_of_a_stranger(lab, mine, at_bad):
    folder = lab.folder
    intermediate(folder)
    # Here the intermediate is sent, and what lacks is trust in its root.
    certs.issue(folder, "bad", "sip.bad.example")
    at_bad("low", "-cert_chain", "mid.pem")
    report = run(mine, "bad.example")
    assert ("certificate", "ok") in steps(report), report["text"]
    use_tls(mine, {**OURS, "trust": "bad.pem"})
    try:
        failed(mine, "bad.example", "certificate", "untrusted")
    finally:
        use_tls(mine, OURS)


def dated(folder, name, start, end):
    """A certificate of the lab's authority with dates of one's own."""
    certs.issue(folder, name, "sip.bad.example")
    (folder / "dated").mkdir(exist_ok=True)
    for file, text in (("index", ""), ("serial", "7777\n")):
        (folder / "dated" / file).write_text(text)
    (folder / "dated.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=dated/index\nserial=dated/serial\nnew_certs_dir=dated\n"
        "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
    )
    certs._openssl(
        folder, "ca", "-batch", "-config", "dated.cnf", "-in", f"{name}.csr", "-out",
        f"{name}.pem", "-cert", "ca.pem", "-keyfile", "ca.key", "-startdate", start, "-enddate",
        end, "-extfile", f"{name}.ext", "-notext",
    )


@pytest.mark.parametrize(
    "start, end, result",
    [
        ("20200101000000Z", "20210101000000Z", "expired"),
        ("20500101000000Z", "20510101000000Z", "not-yet-valid"),
    ],
)
def test_dates(lab, mine, at_bad, start, end, result):
    dated(lab.folder, "dated", start, end)
    at_bad("dated")
    failed(mine, "bad.example", "certificate", result, start[:4])


def test_names(lab, mine, at_bad):
    certs.issue(lab.folder, "wrong", "sip.adatum.com", "*.bad.example")
    at_bad("wrong")
    failed(
        mine, "bad.example", "names", "name-mismatch",
        "sip.bad.example is not among: sip.adatum.com, *.bad.example",
    )
    mine.ctl("allowed-domain", "add", "bad.example", "further-names=sip.adatum.com")
    assert ("names", "ok") in steps(run(mine, "bad.example"))
    mine.ctl("allowed-domain", "remove", "bad.example")


class Listener:
    """A server of bad.example in Python: `talk` gets each connection, in a thread of its own."""

    def __init__(self, lab, talk):
        self.socket = netns.listen(lab.ns("outside"), BAD4, 5061)
        self.talk = talk
        self.over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock):
        try:
            with sock:
                self.talk(sock, self.over)
        except OSError:
            return

    def close(self):
        self.over.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def listener(lab, at_bad):
    """listener(talk, tls=True)"""
    certs.issue(lab.folder, "bad", "sip.bad.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(lab.folder / "bad.pem", lab.folder / "bad.key")
    opened = []

    def begin(talk, tls=True):
        def secured(sock, over):
            with context.wrap_socket(sock, server_side=True) as secure:
                talk(secure, over)

        opened.append(Listener(lab, secured if tls else talk))

    yield begin
    for one in opened:
        one.close()


def test_plain_sip_is_not_tls(mine, listener):
    def talk(sock, over):
        sock.recv(4096)
        sock.sendall(b"SIP/2.0 400 Bad Request\r\n\r\n")
        sock.recv(4096)

    listener(talk, tls=False)
    failed(mine, "bad.example", "tls", "not-tls", 'begins with "SIP/2.0 400 Bad Request"')


def test_a_web_server(mine, listener):
    def talk(sock, over):
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        sock.recv(4096)

    listener(talk)
    failed(mine, "bad.example", "options", "not-sip")


def test_closed_without_an_answer(mine, listener):
    def talk(sock, over):
        sock.recv(4096)
        sock.unwrap()

    listener(talk)
    failed(mine, "bad.example", "options", "closed-without-answer")


def answer(status, *more):
    """Reads a request and answers it."""

    def talk(sock, over):
        request = sock.recv(4096).decode()
        kept = [x for x in request.split("\r\n") if x.split(":")[0] in ("Via", "Call-ID", "CSeq")]
        lines = [f"SIP/2.0 {status}", *kept, *more, "Content-Length: 0", "", ""]
        sock.sendall("\r\n".join(lines).encode())
        sock.recv(4096)

    return talk


def test_a_partner_that_refuses_us_works(mine, listener):
    listener(answer("403 Forbidden", 'ms-diagnostics-public: 1027;Reason="Cannot route"'))
    report = run(mine, "bad.example")
    assert report["verdict"] == "ok"
    assert last(report)["result"] == "answered-forbidden"
    assert '1027;Reason="Cannot route"' in last(report)["text"]
    assert "to allow our domain" in " ".join(report["text"].split())


def test_no_answer_and_several_at_once(mine, listener):
    """Four tests may run at once, and a fifth is told so; nobody else waits meanwhile."""
    listener(lambda sock, over: over.wait(30))
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(run, mine, "bad.example") for _ in range(5)]
        assert mine.call("status.show", timeout=1.0)
        ends = []
        for a in asked:
            try:
                ends.append(last(a.result())["result"])
            except RpcError as e:
                ends.append(e.code)
    assert sorted(map(str, ends)) == ["-32003", *4 * ["no-answer"]]


def test_who_asked_has_gone(mine, at_bad):
    """The test ends with the connection that asked for it."""
    for _ in range(8):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(str(mine.socket))
            sock.sendall(
                b'{"jsonrpc": "2.0", "id": 1, "method": "partner.test",'
                b' "params": {"domain": "silent.example"}}\n'
            )

    def begun():
        try:
            return run(mine, "adatum.com")["verdict"] == "ok"
        except RpcError:
            return False

    wait_until(begun, 2, "a test that may begin, before those would have ended")


def test_names_of_domains_are_checked(mine):
    for wrong in ("192.0.2.1", "a b", "x..y"):
        with pytest.raises(RpcError) as e:
            run(mine, wrong)
        assert e.value.code == -32602
