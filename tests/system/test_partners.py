# SPDX-License-Identifier: BSD-2-Clause
"""Partners and switches: kept over kills, all or nothing, and never in the way of sessions."""

import json
import pathlib
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest

from conftest import quick
from lab.postern import Postern, RpcError
from lab.process import wait_until
from test_state import kill, refused_to_start, start_again
from traffic import Traffic

GOLDEN = pathlib.Path(__file__).parent / "golden"
OURS = [{"name": "contoso", "domains": ["contoso.com", "contoso.net"]}]


def with_partners():
    c = quick()
    c["organisations"] = OURS
    return c


@pytest.fixture
def mine(lab, streams):
    p = Postern(lab, with_partners(), name="partners")
    p.start()
    p.wait_all_up()
    yield p
    if p.process.running:
        assert p.stop(seconds=30) == 0
    p.discard()


def refused(p, *argv):
    done = p.ctl(*argv, check=False)
    assert done.returncode != 0, done.stdout
    return done.stderr


def records(p, method):
    """Newest first."""
    return p.ctl("audit", "list", method, "limit=1000", json_output=True)["items"]


def test_a_partner_from_the_first_command_to_a_kill(mine):
    mine.ctl("policy", "set", "AllowFederatedUsers", "true")
    added = mine.ctl(
        "allowed-domain", "add", "Fabrikam.COM.", "proxy-fqdn=sip.fabrikam.com",
        "prefixes=192.0.2.0/24,2001:db8::/32", "--comment", "ticket 17", json_output=True,
    )
    assert added["domain"] == "fabrikam.com"
    assert added["prefixes"] == ["192.0.2.0/24", "2001:db8::/32"]
    assert "is there already" in refused(mine, "allowed-domain", "add", "fabrikam.com")
    assert "never both" in refused(mine, "blocked-domain", "add", "fabrikam.com")
    assert "our own" in refused(mine, "allowed-domain", "add", "contoso.net")
    assert "did you mean" in refused(mine, "allowed-domains", "list").lower()
    assert "suffix=true" in refused(mine, "allowed-domain", "add", "*.fabrikam.com")
    assert "proxy-fqdn: it is missing" in refused(mine, "provider", "add", "X", "kind=hosting")
    wrong = refused(mine, "allowed-domain", "add", "adatum.com", "proxy-fqdn=192.0.2.1")
    assert 'proxy-fqdn: "192.0.2.1" is no domain' in wrong
    # Two who have seen the same: the second one is told.
    revision = f"if-revision={added['revision']}"
    mine.ctl("allowed-domain", "set", "fabrikam.com", "note=a", revision)
    assert "changed meanwhile" in refused(
        mine, "allowed-domain", "set", "fabrikam.com", "note=b", revision
    )
    kill(mine)
    start_again(mine)
    shown = mine.ctl("allowed-domain", "show", "fabrikam.com", json_output=True)
    assert shown["note"] == "a"
    decided = mine.ctl("partner", "show", "fabrikam.com", json_output=True)
    assert decided["decision"] == "admit"
    assert decided["peer"] == "sip.fabrikam.com"
    assert decided["entry"]["note"] == "a"
    wrong = mine.call("partner.show", domain="fabrikam.com", names="sip.evil.example")
    assert (wrong["decision"], wrong["reason"]) == ("refuse", "name-mismatch")
    record = records(mine, "allowed-domain.add")[-1]
    assert (record["result"], record["comment"]) == ("ok", "ticket 17")


def test_a_thousand_changes_and_a_kill(mine):
    """What was acknowledged is there; what was not is there whole or not at all."""
    acknowledged = []
    asked = []

    def change():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(str(mine.socket))
            answers = sock.makefile("rb")
            for n in range(1000):
                name = f"d{n}.example"
                params = {"domain": name, "proxy-fqdn": f"sip.{name}", "note": f"number {n}"}
                call = {
                    "jsonrpc": "2.0", "id": n, "method": "allowed-domain.add", "params": params,
                }
                try:
                    asked.append(n)
                    sock.sendall(json.dumps(call).encode() + b"\n")
                    answer = answers.readline()
                except OSError:
                    return
                if not answer.endswith(b"\n"):
                    return
                assert "result" in json.loads(answer)
                acknowledged.append(n)

    changer = threading.Thread(target=change)
    changer.start()
    wait_until(lambda: len(acknowledged) > 300, 30, "some changes")
    kill(mine)
    changer.join(30)
    start_again(mine)
    kept = {e["domain"]: e for e in mine.all("allowed-domain.list", limit=1000)}
    for n in acknowledged:
        entry = kept.pop(f"d{n}.example")
        assert entry["proxy-fqdn"] == f"sip.d{n}.example"
        assert entry["note"] == f"number {n}"
    # The one that was under way may have come through.
    assert set(kept) <= {f"d{n}.example" for n in asked[-1:]}
    for entry in kept.values():
        assert entry["proxy-fqdn"] == "sip." + entry["domain"]
    # Each has its record, and there is no record without it.
    recorded = {r["after"]["domain"] for r in records(mine, "allowed-domain.add")}
    assert recorded == {f"d{n}.example" for n in acknowledged} | set(kept)


def write_million(path, wrong=None):
    with path.open("w") as f:
        f.write("domain,proxy-fqdn\n")
        f.writelines(
            "a..b,\n" if n == wrong else f"d{n}.example,{f'sip.d{n}.example' if n % 2 else ''}\n"
            for n in range(1_000_000)
        )


def test_a_million(mine, lab, dial):
    """One mistake changes nothing; without it all are there. Meanwhile sessions go on, and whoever
    asks something else is answered before."""
    file = lab.folder / "million.csv"
    write_million(file, wrong=654_321)
    with pytest.raises(RpcError) as refusal:
        mine.call("policy.import", timeout=120, file=str(file))
    mistakes = refusal.value.data["errors"]
    # Line 1 names the columns.
    assert [(m["line"], m["field"]) for m in mistakes] == [(654_323, "domain")]
    assert "a..b" in mistakes[0]["what"]
    assert mine.call("allowed-domain.list")["items"] == []
    write_million(file)
    done = []

    def load():
        done.append(mine.call("policy.import", timeout=120, file=str(file)))

    with Traffic(dial(20)) as traffic:
        loader = threading.Thread(target=load)
        loader.start()
        answered = 0
        while loader.is_alive():
            mine.call("status.show")
            answered += not done
        loader.join()
        traffic.go_on()
    assert answered > 10
    assert (done[0]["added"], done[0]["unchanged"]) == (1_000_000, 0)
    assert len(done[0]["differences"]) == 1000
    mine.ctl("policy", "set", "AllowFederatedUsers", "true")
    kill(mine)
    mine.start()
    assert mine.call("partner.show", domain="d999999.example")["decision"] == "admit"
    assert mine.call("partner.show", domain="d1000000.example")["decision"] == "refuse"
    # What it is can be written down, and read back to no difference.
    written = lab.folder / "million.yaml"
    with written.open("w") as to:
        subprocess.run([mine.build / "posternctl", "-s", mine.socket, "policy", "export"],
                       stdout=to, check=True, timeout=120)
    again = mine.call("policy.apply", timeout=120, file=str(written), **{"dry-run": True})
    assert (again["added"], again["changed"], again["removed"]) == (0, 0, 0)
    assert again["unchanged"] == 1_000_001


def test_full_disk_and_read_only(lab, streams):
    """What cannot be kept is refused, in words; nothing is half done, and it goes on when there is
    room again."""
    folder = lab.folder / "tight"
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tight", folder], check=True)
    c = with_partners()
    c["postern"]["state"] = "tight/state.db"
    p = Postern(lab, c, name="tight")
    many = lab.folder / "many.csv"
    many.write_text("domain,note\n" + "".join(f"d{n}.example,{'x' * 200}\n" for n in range(9999)))
    try:
        p.start()
        p.ctl("blocked-domain", "add", "evil.example")
        assert "make room" in refused(
            p, "policy", "import", str(many), "kind=allowed-domain"
        )
        assert p.call("allowed-domain.list")["items"] == []
        p.ctl("blocked-domain", "add", "worse.example")
        assert p.stop() == 0
        # A file that cannot be written is told at the start, not at the first change.
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        assert "read-only" in refused_to_start(p)
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        p.start()
        names = [e["domain"] for e in p.call("blocked-domain.list")["items"]]
        assert names == ["evil.example", "worse.example"]
        assert p.stop() == 0
    finally:
        p.discard()
        subprocess.run(["umount", folder], check=True)


def test_organisations_by_reload(mine):
    """One that comes is loaded, one that goes is kept for when it comes back."""
    mine.ctl("policy", "set", "AllowFederatedUsers", "true")
    mine.ctl("allowed-domain", "add", "fabrikam.com", "proxy-fqdn=sip.fabrikam.com")
    c = mine.config
    two = {**c, "organisations": OURS + [{"name": "litware", "domains": ["litware.example"]}]}
    mine.write(two)
    mine.reload()
    assert "of which organisation" in refused(mine, "allowed-domain", "list").lower()
    mine.ctl("allowed-domain", "add", "contoso.com", "organisation=litware")
    assert mine.call("partner.show", domain="fabrikam.com", organisation="contoso")[
        "decision"] == "admit"
    mine.write({**c, "organisations": []})
    mine.reload()
    assert "names no organisation" in refused(mine, "allowed-domain", "list")
    mine.write(c)
    mine.reload()
    assert mine.call("partner.show", domain="fabrikam.com")["decision"] == "admit"


def test_plans(mine):
    """What is planned follows file and policy; people get a text, scripts the rest."""
    c = mine.config
    services = [{**c["services"][0], "profile": "access-edge", "fqdn": "access.contoso.com"}]
    mine.write({**c, "services": services})
    mine.reload()
    mine.ctl("policy", "set", "AllowFederatedUsers", "true")
    mine.ctl("allowed-domain", "add", "fabrikam.com", "proxy-fqdn=sip.fabrikam.com",
             "prefixes=198.51.100.0/28")
    dns = mine.ctl("plan", "dns", json_output=True)
    targets = {r["name"]: r["target"] for r in dns["records"] if r["type"] == "SRV"}
    assert targets["_sipfederationtls._tcp.contoso.com"] == "access.contoso.com"
    assert targets["_sipfederationtls._tcp.contoso.net"] == "sip.contoso.net"
    assert mine.ctl("plan", "dns").stdout == dns["text"]
    zone = mine.ctl("plan", "dns", "contoso.net", "form=zone").stdout
    assert "sip.contoso.net. 3600 IN A " in zone and "contoso.com" not in zone
    ports = mine.ctl("plan", "ports", json_output=True)["ports"]
    come = [r["from"] for r in ports if (r["side"], r["direction"]) == ("outside", "in")]
    assert come == [["sip.fabrikam.com", "198.51.100.0/28"]]
    assert "sip.fabrikam.com, port 5061" in mine.ctl("plan", "partner", "Fabrikam.com").stdout
    assert "Remove-CsHostingProvider" in mine.ctl(
        "plan", "lync", "place=b", "inside=postern.contoso.local").stdout
    held = mine.ctl("plan", "certificates", json_output=True)["certificates"]
    assert held[0]["names"] == ["access.contoso.com", "sip.contoso.com", "sip.contoso.net"]
    assert "inside=NAME" in refused(mine, "plan", "certificates", "place=c")
    assert "contoso.com, contoso.net" in refused(mine, "plan", "dns", "fabrikam.com")
    assert "our own" in refused(mine, "plan", "partner", "contoso.net")
    assert "empty" in refused(mine, "plan", "partner", "a..b")
    assert "place" in refused(mine, "plan", "ports", "place=d")


def as_games(p, *argv):
    return subprocess.run(
        ["setpriv", "--reuid=games", "--regid=games", "--clear-groups", p.build / "posternctl",
         "-s", p.socket, *argv],
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
    )


def test_whose_file(mine, lab):
    """Who is not root has his own files read, and no others."""
    lab.folder.chmod(0o755)
    c = {**mine.config, "postern": {**mine.config["postern"], "roles": {"policy": ["games"]}}}
    mine.write(c)
    mine.reload()
    file = lab.folder / "theirs.csv"
    file.write_text("domain,proxy-fqdn\na.example,\n")
    file.chmod(0o600)
    done = as_games(mine, "policy", "import", str(file))
    assert "not yours" in done.stderr
    assert mine.call("allowed-domain.list")["items"] == []
    subprocess.run(["chown", "games", file], check=True)
    done = as_games(mine, "policy", "import", str(file))
    assert done.returncode == 0, done.stderr
    assert len(mine.call("allowed-domain.list")["items"]) == 1


def golden(name, text):
    """Texts that people and scripts read stay as they are."""
    assert (GOLDEN / name).read_text() == text


def test_what_people_read(mine, lab):
    file = lab.folder / "policy.yaml"
    file.write_text((GOLDEN / "policy.yaml").read_text())
    applied = mine.ctl("policy", "apply", str(file)).stdout
    golden("policy-apply.txt", applied)
    golden("policy.yaml", mine.ctl("policy", "export").stdout)
    golden("allowed-domain-list.txt", mine.ctl("allowed-domain", "list").stdout)
    golden("policy-show.txt", mine.ctl("policy", "show").stdout)
    golden("partner-show.txt", mine.ctl("partner", "show", "fabrikam.com").stdout)
    golden(
        "provider-show.json",
        mine.ctl("--json", "provider", "show", "Skype for Business").stdout,
    )
    again = mine.ctl("policy", "apply", str(file), "--dry-run", json_output=True)
    assert (again["added"], again["changed"], again["removed"]) == (0, 0, 0)
    wrong = lab.folder / "wrong.yaml"
    wrong.write_text("allowed-domains:\n  - a..b\n  - {domain: c.example, trust-srv: perhaps}\n")
    said = refused(mine, "policy", "apply", str(wrong))
    golden("policy-apply-wrong.txt", said.replace(str(wrong), "wrong.yaml"))


def restore(p, backup):
    return subprocess.run(
        [p.build / "postern", "-c", p.file, "--restore", backup],
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
    )


def test_backup_and_restore(mine, lab):
    mine.ctl("allowed-domain", "add", "fabrikam.com")
    mine.ctl("member", "set", "edges/fe2", "state", "drain")
    backup = lab.folder / "backup.db"
    mine.ctl("backup", "write", str(backup))
    assert "is there already" in refused(mine, "backup", "write", str(backup))
    nowhere = refused(mine, "backup", "write", str(lab.folder / "nowhere" / "backup.db"))
    assert "a folder that postern may write to" in nowhere
    mine.ctl("allowed-domain", "remove", "fabrikam.com")
    mine.ctl("member", "set", "edges/fe2", "state", "ready")
    done = restore(mine, backup)
    assert done.returncode != 0
    assert "in use" in done.stderr
    assert mine.stop() == 0
    assert "nowhere.db: No such file" in restore(mine, lab.folder / "nowhere.db").stderr
    damaged = lab.folder / "damaged.db"
    damaged.write_bytes(backup.read_bytes()[:-4096])
    for wrong in (damaged, mine.file, lab.folder / "nothing.db"):
        done = restore(mine, wrong)
        assert done.returncode != 0
        assert "nothing was restored" in done.stderr
    done = restore(mine, backup)
    assert done.returncode == 0, done.stderr
    kept = done.stdout.rpartition(" ")[2].strip()
    assert pathlib.Path(kept).exists()
    start_again(mine)
    assert [e["domain"] for e in mine.call("allowed-domain.list")["items"]] == ["fabrikam.com"]
    assert mine.members()["fe2"]["admin"] == "drain"
    # A backup is a database that others can read.
    with sqlite3.connect(backup) as db:
        rows = db.execute("SELECT organisation, domain FROM allowed_domain").fetchall()
    assert rows == [("contoso", "fabrikam.com")]


def test_signals_are_not_lost_in_an_import(mine, lab):
    """A stop that comes meanwhile is obeyed, and what was asked before is done or was never begun."""
    file = lab.folder / "stop.csv"
    file.write_text("domain,proxy-fqdn\n" + "".join(f"d{n}.example,\n" for n in range(100_000)))

    def load():
        try:
            mine.call("policy.import", timeout=60, file=str(file))
        except (OSError, RpcError):
            pass

    loader = threading.Thread(target=load)
    loader.start()
    assert mine.stop(signal.SIGTERM, seconds=60) == 0
    loader.join(60)
    mine.start()
    found = sum(1 for _ in mine.all("allowed-domain.list", limit=1000))
    assert found in (0, 100_000)
