# SPDX-License-Identifier: BSD-2-Clause
"""The certificates of a run, made with the openssl command: a CA that all trust, the pool's
certificate (one for all members, as an edge pool has it), the partner's, and the one with which
postern probes. EC P-256, valid for 90 days, so that nothing warns of their end."""

import subprocess

from .errors import LabError

BOTH = "serverAuth,clientAuth"


def _openssl(folder, *argv):
    done = subprocess.run(
        ["openssl", *argv], cwd=folder, capture_output=True, text=True, timeout=30,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise LabError(f"openssl {argv[0]}: {done.stderr.strip()}")


def _new_key():
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def authority(folder):
    _openssl(
        folder, "req", "-x509", "-batch", *_new_key(), "-keyout", "ca.key", "-out", "ca.pem",
        "-days", "90", "-subj", "/CN=lab authority",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )


def issue(folder, name, fqdn, *more, days=90):
    """NAME.pem and NAME.key for an FQDN and further names."""
    names = ",".join(f"DNS:{n}" for n in (fqdn, *more))
    _openssl(
        folder, "req", "-batch", *_new_key(), "-keyout", f"{name}.key", "-out", f"{name}.csr",
        "-subj", f"/CN={fqdn}",
    )
    (folder / f"{name}.ext").write_text(
        f"subjectAltName={names}\nextendedKeyUsage={BOTH}\nbasicConstraints=CA:false\n"
    )
    _openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", str(days),
        "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext",
    )


def make(folder):
    authority(folder)
    issue(folder, "edge", "sip.contoso.com", "sip6.contoso.com", "contoso.com", "sip.northwind.com")
    issue(folder, "partner", "sip.fabrikam.com", "fabrikam.com")
    issue(folder, "probe", "postern.contoso.local")
