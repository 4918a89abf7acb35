"""nginx and Caddy in front of a service, with the configurations of the guide."""

import datetime as dt
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipelines.settings import REPOSITORY
from tests.docs.blocks import blocks
from tests.serving.servers import answers, free_port, wait_until

GUIDE = REPOSITORY / "docs" / "guides" / "behind-a-proxy.md"
NAME = "scores.shop.example"
NGINX = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {server}
}}
"""
CADDY = """
{{
  admin off
  skip_install_trust
  auto_https disable_redirects
  storage file_system {folder}
}}
{site}
"""


def guide(language: str) -> str:
    """The configuration in the guide."""
    (block,) = blocks(language, GUIDE)
    return block.text


@contextmanager
def nginx(server: str, port: int) -> Iterator[None]:
    """Run nginx with a server block; its workers run as another user if root starts it."""
    with _folder() as folder:
        file = folder / "nginx.conf"
        file.write_text(NGINX.format(folder=folder, server=server.replace("{folder}", str(folder))))
        certificate(folder)
        with _running([_program("nginx"), "-p", str(folder), "-c", str(file)], port):
            yield


@contextmanager
def caddy(site: str, port: int) -> Iterator[None]:
    """Run Caddy with a site."""
    with _folder() as folder:
        file = folder / "Caddyfile"
        file.write_text(CADDY.format(folder=folder, site=site))
        with _running([_program("caddy"), "run", "--config", str(file), "--adapter", "caddyfile"], port):
            yield


def certificate(folder: Path) -> None:
    """Write cert.pem and key.pem, signed by themselves."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def with_ports(text: str, port: int, service: int) -> str:
    """The guide's configuration on free ports and with the certificate of `certificate`."""
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{service}").replace("listen 443", f"listen 127.0.0.1:{port}")
    text = re.sub(r"/etc/ssl/certs/\S+;", "{folder}/cert.pem;", text)
    return re.sub(r"/etc/ssl/private/\S+;", "{folder}/key.pem;", text)


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin")))
    if found is None:
        pytest.skip(f"{name} is not installed: run 'make services-for-tests'")
    return found


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="purse-proxy-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # nginx's workers
        yield Path(folder)


@contextmanager
def _running(words: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": "/nonexistent"}) as process:
        try:
            wait_until(lambda: answers(port), f"{words[0]} answers")
            yield
        finally:
            process.terminate()


__all__ = ["NAME", "caddy", "free_port", "guide", "nginx", "with_ports"]
