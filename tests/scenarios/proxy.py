"""nginx with the shipped file, on loopback, before a website of the test's own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.scenarios.processes import Process, free_port, wait_until
from tests.servers import ROOT

SHIPPED = ROOT / "deploy" / "nginx" / "coffer.conf"

AROUND = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log stderr warn; {user}
events {{ worker_connections 4096; }}
http {{
  include /etc/nginx/mime.types; access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/coffer.conf;
}}
"""


@cache
def nginx() -> str | None:
    """The program; installed first where that is allowed."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    if not shutil.which("nginx", path=path) and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"]
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([*install, "nginx-light"], env=environ, capture_output=True, check=False)
    return shutil.which("nginx", path=path)


class Proxy:
    """The shipped file with its placeholders filled, and where it listens."""

    def __init__(self, program: str, folder: Path, upstream: str) -> None:
        self.program, self.folder = program, folder
        self.plain, self.port = free_port(), free_port()
        self.certificate, self.log = folder / "certificate.pem", folder / "access.log"
        self.url = f"https://localhost:{self.port}"
        _certify(self.certificate, folder / "key.pem")
        text = SHIPPED.read_text()
        for old, new in {
            "server 127.0.0.1:8000;": f"server {upstream};", "listen 80;": f"listen 127.0.0.1:{self.plain};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl", "coffer.example.com;": "localhost;",
            "/etc/ssl/coffer/fullchain.pem": str(self.certificate), "/opt/coffer/static/": f"{ROOT}/static/",
            "/etc/ssl/coffer/privkey.pem": str(folder / "key.pem"), "/var/log/nginx/coffer.log": str(self.log),
        }.items():  # fmt: skip
            assert old in text, f"the shipped file has no {old}"
            text = text.replace(old, new)
        (folder / "coffer.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))

    def command(self, *options: str) -> list[str]:
        return [self.program, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), *options]

    def check(self) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command("-t"), capture_output=True, text=True, check=False)


@contextmanager
def running(proxy: Proxy) -> Iterator[Proxy]:
    process = Process(proxy.command(), dict(os.environ), proxy.folder / "nginx.log")
    process.start()
    try:
        wait_until(lambda: (proxy.folder / "nginx.pid").exists() and process.running, f"nginx\n{process.said()}")
        yield proxy
    finally:
        process.signal(15)
        process.wait()


def _certify(certificate: Path, key_file: Path) -> None:
    """A certificate for localhost, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption()))
