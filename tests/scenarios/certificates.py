"""Makes authorities, intermediates and certificates to sign with, in PEM files."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CURVES = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
PRIVATE_FORMATS = {
    "pkcs8": serialization.PrivateFormat.PKCS8,
    "traditional": serialization.PrivateFormat.TraditionalOpenSSL,
}


def make_key(kind: str = "p256") -> Any:
    """A key: one of CURVES, or "rsa2048" and the like."""
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind]())
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def validity(certificate: x509.Certificate) -> tuple[float, float]:
    """From when to when a certificate is valid, in seconds of the epoch."""
    ends = []
    for name in ("not_valid_before", "not_valid_after"):
        when = getattr(certificate, f"{name}_utc", None)  # python3-cryptography 42 and later
        when = when or getattr(certificate, name).replace(tzinfo=datetime.timezone.utc)
        ends.append(when.timestamp())
    return ends[0], ends[1]


@dataclass(frozen=True)
class Files:
    """Where a certificate, its key and its chain are; no chain, no file."""

    certificate: Path
    key: Path
    chain: Path | None


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and the intermediates between it and the authority, the nearest first."""

    certificate: x509.Certificate
    key: Any
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def authority(cls, name: str = "eatr test CA", *, kind: str = "p256", days: float = 2) -> Issued:
        """A root that has signed itself."""
        key = make_key(kind)
        return cls(_build(name, key, None, key, days=days, ca=True), key)

    def intermediate(
        self, name: str = "eatr test intermediate", *, kind: str = "p256", days: float = 2
    ) -> Issued:
        """An authority that this one has signed."""
        key = make_key(kind)
        return Issued(_build(name, key, self, self.key, days=days, ca=True), key, self._chain_below())

    def leaf(
        self,
        name: str = "ops.example",
        *,
        kind: str = "p256",
        days: float = 1,
        starts: float = -0.01,
        serial: int | None = None,
        key: Any = None,
        organization: str = "",
    ) -> Issued:
        """A certificate to sign with, valid for `days` from `starts` on, which is in days from now."""
        key = key or make_key(kind)
        details: Any = {"starts": starts, "serial": serial, "organization": organization}
        made = _build(name, key, self, self.key, days=days, ca=False, **details)
        return Issued(made, key, self._chain_below())

    def _chain_below(self) -> tuple[x509.Certificate, ...]:
        root = self.certificate.issuer == self.certificate.subject
        return () if root else (self.certificate, *self.chain)

    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def chain_pem(self) -> bytes:
        """The intermediates."""
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in self.chain)

    def key_pem(self, form: str = "pkcs8", password: bytes | None = None) -> bytes:
        """The key as "pkcs8" or "traditional" (PKCS#1 or SEC1), encrypted if there is a password."""
        encryption: Any = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
        pem: bytes = self.key.private_bytes(serialization.Encoding.PEM, PRIVATE_FORMATS[form], encryption)
        return pem

    def write(
        self, directory: Path, stem: str = "client", *, form: str = "pkcs8", together: bool = False
    ) -> Files:
        """Writes STEM.pem, STEM.key (mode 0600) and, if there is one, the chain into STEM-chain.pem; or
        `together` with the certificate."""
        files = Files(
            directory / f"{stem}.pem",
            directory / f"{stem}.key",
            directory / f"{stem}-chain.pem" if self.chain and not together else None,
        )
        files.certificate.write_bytes(self.pem() + (self.chain_pem() if together else b""))
        with os.fdopen(os.open(files.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(self.key_pem(form))
        if files.chain is not None:
            files.chain.write_bytes(self.chain_pem())
        return files


def _build(
    name: str,
    key: Any,
    issuer: Issued | None,
    signer: Any,
    *,
    days: float,
    ca: bool,
    starts: float = -0.01,
    serial: int | None = None,
    organization: str = "",
) -> x509.Certificate:
    names = [x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]
    if organization:
        names.insert(0, x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization))
    subject = x509.Name(names)
    start = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=starts)
    usage = {
        "digital_signature": not ca,
        "key_cert_sign": ca,
        "crl_sign": ca,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    return builder.sign(signer, hashes.SHA256())
