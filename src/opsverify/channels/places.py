"""The places that restore drills work in, each gone afterwards: a container, or a folder of this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from opsverify.errors import UnansweredError

# Debian's and PGDG's folders of the server's programs, which are in nobody's PATH.
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
# Under whom the server runs where the suite is root, as which it refuses to. A server of this machine, and its files,
# may be those of postgres.
ACCOUNTS = ("nobody", "postgres")
SPOKEN = {"LC_ALL": "C", "TZ": "UTC"}  # the parsers read one language and one zone
LABEL = "opsverify=scratch"
# What finds the container engine.
CLIENT = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR")
LIFETIME_S = 6 * 3600  # a container that nobody removed, because the suite was killed, ends by itself
START_S = 60


@dataclass(frozen=True)
class Place:
    """Where programs run: what stands in front of each, their folder, their work's folder, and how to take it away."""

    name: str
    prefix: tuple[str, ...]
    programs: str
    folder: str
    remove: Callable[[], None]
    environment: dict[str, str] = field(default_factory=dict)


def on_runner(folder: str | None, folders: tuple[str, ...] = FOLDERS) -> Place:
    """A new folder of this machine, and the programs in ``folder``, else the newest that are installed.

    Raises:
        UnansweredError: there are none, or nobody to run them as.
    """
    programs = folder or installed(folders)
    if programs is None or not (Path(programs) / "initdb").is_file():
        raise UnansweredError(
            f"scratch: no PostgreSQL server programs {f'in {folder}' if folder else 'on this machine'}; "
            "install them, or name scratch.bin or scratch.image in the profile"
        )
    prefix: tuple[str, ...] = ("env",)  # ends with 127 where there is no such program, as the others do
    alone: tuple[str, ...] = ("unshare", "--user", "--map-current-user", "--net", "--")
    account = None
    if os.geteuid() == 0:
        known = {each.pw_name: each for each in pwd.getpwall()}
        account = next((known[name] for name in ACCOUNTS if name in known), None)
        if account is None:
            raise UnansweredError(f"scratch: none of the accounts {', '.join(ACCOUNTS)} is there to run PostgreSQL as")
        prefix = ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--")
        alone = ("unshare", "--net", "--")
    if _runs(*alone, "true"):  # no network but a loopback that is down, where the kernel lets us
        prefix = (*alone, *prefix)
    work = Path(tempfile.mkdtemp(prefix="opsv-drill-"))
    if account is not None:
        os.chown(work, account.pw_uid, account.pw_gid)
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(work)}
    return Place(
        f"folder of this machine, programs in {programs}",
        prefix,
        programs,
        str(work),
        lambda: _removed(work),
        SPOKEN | path,
    )


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=START_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _removed(folder: Path) -> None:
    """Remove a folder; a server that is just coming up may put a file into it once more."""
    for _ in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.2)


def installed(folders: tuple[str, ...] = FOLDERS) -> str | None:
    """The folder of the newest PostgreSQL server programs here, or of those in PATH; None where there are none."""
    found = [each for pattern in folders for each in Path("/").glob(pattern.lstrip("/")) if (each / "initdb").is_file()]
    newest = max(found, key=lambda each: [int(part) for part in "".join(_digits(each)).split()], default=None)
    in_path = shutil.which("initdb")
    return str(newest) if newest else str(Path(in_path).resolve().parent) if in_path else None


def _digits(path: Path) -> Iterator[str]:
    for character in str(path):
        yield character if character.isdigit() else " "


def in_container(image: str) -> Place:
    """A container of a local image, on this machine and without network; nothing is pulled.

    Raises:
        UnansweredError: there is no container engine here, no such image, or it does not start.
    """
    engine = local_engine("scratch.image")
    user = _ask([engine, "image", "inspect", "-f", "{{.Config.User}}", image], f"image {image} is not on this machine")
    account = "postgres" if user.partition(":")[0] in ("", "0", "root") else user
    container = f"opsv-drill-{token_hex(8)}"
    options = [
        f"--name={container}",
        "--rm",
        "--pull=never",
        "--network=none",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--no-healthcheck",
        f"--label={LABEL}",
        f"--user={account}",
    ]
    start = [engine, "run", "-d", *options, "--entrypoint=sleep", image, str(LIFETIME_S)]

    def remove() -> None:
        subprocess.run([engine, "rm", "-f", "-v", container], capture_output=True, check=False, timeout=START_S)

    spoken = [part for name, value in SPOKEN.items() for part in ("-e", f"{name}={value}")]
    inside = (engine, "exec", "-i", *spoken, container)
    try:
        _ask(start, f"image {image} gives no container")
        folder = _ask([*inside, "mktemp", "-d", "/tmp/opsv-drill-XXXXXX"], f"a container of {image} has no /tmp")  # noqa: S108
    except BaseException:
        remove()
        raise
    kept = {name: value for name, value in os.environ.items() if name in CLIENT}
    return Place(f"container of {image}", inside, "", folder, remove, kept)


def local_engine(image: str) -> str:
    """The container engine of this machine, to run what the profile names as ``image`` with.

    Raises:
        UnansweredError: there is none, or it runs its containers elsewhere.
    """
    engine = shutil.which("docker") or shutil.which("podman")
    if engine is None:
        raise UnansweredError(f"scratch: neither docker nor podman is here to run {image} with")
    _is_here(engine)
    return engine


def _is_here(engine: str) -> None:
    """That the engine runs its containers on this machine: people also manage production by such a command.

    Raises:
        UnansweredError: it runs them elsewhere, or does not tell where.
    """
    where = _said(engine, "context", "inspect", "-f", "{{.Endpoints.docker.Host}}")  # docker
    here = where.startswith("unix://") or _said(engine, "info", "-f", "{{.Host.ServiceIsRemote}}") == "false"  # podman
    if not here:
        raise UnansweredError(
            f"scratch: {Path(engine).name} runs its containers at {where or 'a place that it does not tell'}, and "
            "drills are held on this machine alone; unset DOCKER_HOST, choose another context, or name scratch.bin"
        )


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_S)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _ask(command: list[str], problem: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_S)
    except subprocess.TimeoutExpired:
        raise UnansweredError(f"scratch: {problem}: no answer within {START_S} s") from None
    if done.returncode != 0:
        raise UnansweredError(f"scratch: {problem}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return done.stdout.strip()
