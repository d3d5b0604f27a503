"""What unit tests share: captured answers of real systems, a transcript, and a host that is this machine."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, settings

from opsverify import cli, targets
from opsverify.catalogue import Catalogue, load
from opsverify.channels.shell import Host, ShellChannel
from opsverify.channels.web import WebChannel
from opsverify.ending import ENDING
from opsverify.judgement import Limits
from opsverify.redaction import Redactor
from opsverify.transcript import Transcript
from tests.unit.bundles import Keys, Runs
from tests.unit.replays import Kept, gone, made
from tests.unit.small_project import HEALTH, PROFILE, SECURITY, STATES, Outcome, Project, entries, single

# How fast this machine is just now is nobody's defect; tests that are about time measure it themselves.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

ROOT = Path(__file__).parents[2]
CAPTURED = Path(__file__).with_name("captured")


@pytest.fixture
def captured() -> Callable[[str], str]:
    """The text of a file of captured answers."""
    return lambda name: (CAPTURED / name).read_text(encoding="utf-8")


Rows = Callable[[str, str, str], list[dict[str, Any]]]


@pytest.fixture
def rows() -> Rows:
    """Rows of a real PostgreSQL by version (13-17), account (``verify`` has pg_monitor, ``managed`` not) and query."""
    whole = json.loads((CAPTURED / "postgres-rows.json").read_text(encoding="utf-8"))

    def moment(name: str, value: Any) -> Any:
        return datetime.fromisoformat(value) if name in ("since", "analyzed") and value else value

    return lambda version, account, query: [
        {name: moment(name, value) for name, value in row.items()} for row in whole[version][account][query]
    ]


@pytest.fixture
def transcript(tmp_path: Path) -> Transcript:
    """An empty transcript."""
    return Transcript(tmp_path / "transcript.jsonl", Redactor())


@pytest.fixture
def exchanges(transcript: Transcript) -> Callable[[], list[dict[str, Any]]]:
    """What the transcript holds by now."""

    def read() -> list[dict[str, Any]]:
        if not transcript.path.exists():
            return []
        return [json.loads(line) for line in transcript.path.read_text(encoding="utf-8").split("\n") if line]

    return read


@pytest.fixture
def local(transcript: Transcript, tmp_path: Path) -> Iterator[Host]:
    """This machine, asked as any other host is."""
    spec = targets.Host(name="here", connection="local://", timeout_s=5.0)
    channel = ShellChannel(spec, tmp_path, transcript)
    yield Host(channel, spec)
    channel.close()


@pytest.fixture(scope="session")
def demands() -> Catalogue:
    """The real catalogue."""
    return load(ROOT / "checks")


@pytest.fixture
def limits_of(demands: Catalogue) -> Callable[[str], Limits]:
    """The limits of a requirement, as the catalogue has them."""
    return demands.limits


@pytest.fixture
def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Authority:
    """A certificate authority of one test; certificates are for one name."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def ca(self) -> str:
        """The file of the authority's own certificate."""
        return str(self.folder / "ca.crt")

    def issue(self, name: str, days: int = 90, key: Key | None = None) -> Path:
        """A file with key (an EC key unless given) and certificate for a DNS name."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(name, key, self.certificate.subject, self.key, days, ca=False)
        file = self.folder / f"{name}.pem"
        file.write_bytes(_pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
        return file


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _signed(
    name: str,
    key: Key,
    issuer: x509.Name | None,
    signer: ec.EllipticCurvePrivateKey,
    days: int,
    *,
    ca: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=200))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A fresh certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed("Test CA", key, None, key, 365, ca=True)
    (tmp_path / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(tmp_path, key, certificate)


Handle = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def web_server() -> Iterator[Callable[..., int]]:
    """Start an HTTP server (with ``certificate``: HTTPS) that answers each GET by a function; gives its port."""
    started: list[ThreadingHTTPServer] = []

    def start(handle: Handle, certificate: Path | None = None) -> int:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    handle(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing."""

        server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        started.append(server)
        return int(server.server_address[1])

    yield start
    for each in started:
        each.shutdown()
        each.server_close()


@pytest.fixture
def reply() -> Callable[..., Handle]:
    """A function that answers always the same."""

    def make(status: int = 200, body: bytes = b"", **headers: str) -> Handle:
        def handle(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name.replace("_", "-"), value)
            if "Content_Length" not in headers:
                request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

        return handle

    return make


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One whole run of checks that end in every way there is."""
    project = Project(tmp_path_factory.mktemp("everything"))
    project.write("checks/health/requirements.toml", entries(*STATES))
    project.write("checks/health/test_it.py", HEALTH)
    return project.run("-o", "junit_logging=all")


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose every check passes."""
    project = Project(tmp_path_factory.mktemp("green"))
    project.write(
        "checks/security/requirements.toml",
        entries("TST-ONE-01", severity="critical") + entries("TST-SLOW-01", "TST-TWO-01"),
    )
    project.write("checks/health/requirements.toml", entries("TST-TWO-02", severity="critical"))
    project.write("checks/security/test_it.py", SECURITY)
    project.change("profiles/test/profile.toml", PROFILE[PROFILE.index("[[not_applicable]]") :], "")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a single check, to be spoilt."""
    return single(tmp_path)


@pytest.fixture
def signals_heard() -> Iterator[None]:
    """Signals to end are heard, also where whoever started the tests has them ignored (nohup, a job of a script)."""
    fresh = {each: signal.default_int_handler if each is signal.SIGINT else signal.SIG_DFL for each in ENDING}
    before = {each: signal.signal(each, handler) for each, handler in fresh.items()}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@pytest.fixture
def prometheus(
    web_server: Callable[..., int], reply: Callable[..., Any], transcript: Transcript, tmp_path: Any
) -> Callable[..., WebChannel]:
    """A Prometheus that answers everything with one body: ``prometheus(body, status)``."""

    def make(body: str, status: int = 200) -> WebChannel:
        port = web_server(reply(status, body.encode()))
        spec = targets.Prometheus(
            name="prom", url=f"http://127.0.0.1:{port}", api_job="api", instances=["node"], timeout_s=2.0
        )
        return WebChannel(spec, tmp_path, transcript)

    return make


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """The keys of a runner and of a reviewer, and the file of allowed signers."""
    return Keys(tmp_path)


@pytest.fixture
def runs(tmp_path: Path, keys: Keys) -> Runs:
    """A stream in which nothing has run yet."""
    return Runs(tmp_path, keys)


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """``command(*arguments)``: what `opsverify` does with the profile ``test`` of the folder it is started in."""

    def run(*arguments: str) -> Said:
        status = cli.main([*arguments, "--profile", "test"])
        return Said(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A green run, whose systems are gone."""
    project = made(tmp_path_factory.mktemp("green"))
    outcome = project.run()
    assert outcome.status == 0, outcome.output
    gone(project)
    return Kept(project, outcome)
