"""What a listener offers, by many handshakes: sslyze brings an OpenSSL that still speaks what the runner's own refuses.

That OpenSSL is years old and reads what strangers answer. So it runs in a process of its own, without our environment
and its secrets, which is also what bounds a scan as a whole: when its time is up it is ended, and nothing is known.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Any

from opsverify import targets
from opsverify.errors import UnansweredError

PROTOCOLS = {
    "SSLv2": "ssl_2_0_cipher_suites",
    "SSLv3": "ssl_3_0_cipher_suites",
    "TLSv1.0": "tls_1_0_cipher_suites",
    "TLSv1.1": "tls_1_1_cipher_suites",
    "TLSv1.2": "tls_1_2_cipher_suites",
    "TLSv1.3": "tls_1_3_cipher_suites",
}
OTHERS = {  # the command, and what of its result is told
    "heartbleed": "is_vulnerable_to_heartbleed",
    "openssl_ccs_injection": "is_vulnerable_to_ccs_injection",
    "robot": "robot_result",
    "tls_compression": "supports_compression",
    "session_renegotiation": "supports_secure_renegotiation is_vulnerable_to_client_renegotiation_dos",
    "tls_fallback_scsv": "supports_fallback_scsv",
}

Scan = dict[str, Any]


def question(listener: targets.Listener) -> dict[str, Any]:
    """What is asked, as the transcript has it."""
    return {"scan": listener.connect, "as": listener.server_name, "commands": [*PROTOCOLS.values(), *OTHERS]}


def scan(listener: targets.Listener) -> Scan:
    """Scan a listener.

    Returns:
        ``suites``: for each of `PROTOCOLS`, a list of what is accepted under it (``name``, ``bits``, ``anonymous``,
        ``dh_bits``: the size of a finite-field group, else 0); and one key for each result of `OTHERS`.

    Raises:
        UnansweredError: not all of it could be told, within ``scan_timeout_s``; says what not, and why.
    """
    asked = {**question(listener), "timeout_s": max(1, int(listener.timeout_s))}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", __name__],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=listener.scan_timeout_s,
            check=False,
            env={},
        )
    except subprocess.TimeoutExpired:
        raise UnansweredError(
            f"listener {listener.name}: the scan took longer than {listener.scan_timeout_s:g} s and was ended"
        ) from None
    try:
        told: Scan = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise UnansweredError(
            f"listener {listener.name}: the scan ended with status {done.returncode} and said: {said[-1]}"
        ) from None
    if told.get("problems"):
        raise UnansweredError(f"listener {listener.name}: the scan cannot tell all: {'; '.join(told['problems'])}")
    return told


def _scanned(asked: dict[str, Any]) -> Scan:
    """In the process of its own: scan, and tell the results, or the ``problems``."""
    # Only here: it takes half a second, and brings the old OpenSSL with it.
    from sslyze.plugins.scan_commands import ScanCommand  # noqa: PLC0415
    from sslyze.scanner.models import ServerScanRequest  # noqa: PLC0415
    from sslyze.scanner.scanner import Scanner  # noqa: PLC0415
    from sslyze.server_setting import ServerNetworkConfiguration, ServerNetworkLocation  # noqa: PLC0415

    host, _, port = asked["scan"].rpartition(":")
    try:  # of several addresses the first one that answers, as for any handshake
        with socket.create_connection((host.strip("[]"), int(port)), asked["timeout_s"]) as connection:
            address = connection.getpeername()[0]
    except OSError as error:
        return {"problems": [f"{asked['scan']} cannot be reached: {error}"]}
    scanner = Scanner()
    scanner.queue_scans(
        [
            ServerScanRequest(
                server_location=ServerNetworkLocation(asked["as"], int(port), str(address)),
                network_configuration=ServerNetworkConfiguration(
                    tls_server_name_indication=asked["as"], network_timeout=asked["timeout_s"], network_max_retries=2
                ),
                scan_commands={ScanCommand(each) for each in asked["commands"]},
            )
        ]
    )
    (result,) = scanner.get_results()
    if result.scan_result is None:
        return {"problems": [f"no handshake: {_reason(result.connectivity_error_trace)}"]}
    return _told(result.scan_result, asked["commands"])


def _told(result: Any, commands: list[str]) -> Scan:
    attempts = {each: getattr(result, each) for each in commands}
    problems = [
        f"{name}: {_reason(each.error_trace)}" for name, each in attempts.items() if each.status.value != "COMPLETED"
    ]
    problems = problems or [*filter(None, (_timed_out(name, attempts[name].result) for name in PROTOCOLS.values()))]
    if problems:
        return {"problems": problems}
    suites = {
        protocol: [_suite(each) for each in attempts[command].result.accepted_cipher_suites]
        for protocol, command in PROTOCOLS.items()
    }
    found = {
        field: getattr(attempts[name].result, field) for name, fields in OTHERS.items() for field in fields.split()
    }
    return {"suites": suites, **{name: getattr(value, "value", value) for name, value in found.items()}}


def _timed_out(name: str, result: Any) -> str:
    """Why it is not known what is accepted under a protocol; empty where it is.

    sslyze takes a time-out for a rejection. So it is where all of a protocol is met with silence, but not where some of
    it is accepted.
    """
    silent = [each for each in result.rejected_cipher_suites if "timed out" in each.error_message]
    return f"{name}: {len(silent)} handshakes timed out" if silent and result.accepted_cipher_suites else ""


def _suite(accepted: Any) -> dict[str, Any]:
    suite, key = accepted.cipher_suite, accepted.ephemeral_key
    finite = key is not None and key.type_name == "DH"
    return {
        "name": suite.name,
        "bits": suite.key_size,
        "anonymous": suite.is_anonymous,
        "dh_bits": key.size if finite else 0,
    }


def _reason(trace: Any) -> str:
    """The last line of an error, which is what went wrong."""
    lines = [line for line in "".join(trace.format_exception_only()).splitlines() if line.strip()] if trace else []
    return lines[-1].strip() if lines else "no reason given"


if __name__ == "__main__":
    print(json.dumps(_scanned(json.load(sys.stdin))))
