"""The lab's images: built from lab/images/<service>, and only when what goes in has changed."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import engine
from lab.settings import IMAGES, SERVICES, run, step

DEBIAN = "debian:bookworm-slim"
OURS_LABEL = "opsverify.lab"
INPUTS_LABEL = "opsverify.lab.inputs"
PREVIOUS = "previous"
PROXY_NAMES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


# A service without a folder of its own runs another one's image.
BUILT = tuple(name for name in SERVICES if (IMAGES / name).is_dir())


def tag(name: str) -> str:
    """The image of a service."""
    return f"tokenswap-lab/{name}"


def image_ids() -> dict[str, str]:
    """Image id by service: what runs when Compose is brought up now."""
    shown = ["--no-trunc", "--format", "{{.Repository}} {{.ID}}"]
    lines = run(["docker", "images", *shown, f"{tag('*')}:latest"]).stdout.split("\n")
    return dict(line.split() for line in lines if line)


def previous(name: str) -> str:
    """The id of the image that a service ran before, by its tag ``previous``: what a rollback goes back to.

    Where there never was one it is made: the same release under another label.
    """
    former = f"{tag(name)}:{PREVIOUS}"
    if run(["docker", "image", "inspect", former], check=False).returncode:
        text = f"FROM {tag(name)}\nLABEL {OURS_LABEL}.release={PREVIOUS}\n"
        os.environ["DOCKER_BUILDKIT"] = "0"
        run(["docker", "build", "-t", former, "-"], stdin=text.encode())
    return run(["docker", "image", "inspect", "-f", "{{.Id}}", former]).stdout.strip()


def _label(image: str, label: str = INPUTS_LABEL) -> str | None:
    found = run(["docker", "image", "inspect", "-f", f'{{{{index .Config.Labels "{label}"}}}}', image], check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def _files(name: str) -> list[Path]:
    return sorted(path for path in (IMAGES / name).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _digest(name: str, parent: str) -> str:
    digest = hashlib.sha256(parent.encode())
    for path in _files(name):
        mode = "x" if os.access(path, os.X_OK) else "-"
        digest.update(f"\0{path.relative_to(IMAGES)} {mode}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _context(name: str) -> bytes:
    """The build context; npm's build also gets this machine's CA bundle, which never lies in the tree."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in _files(name):
            archive.add(path, path.relative_to(IMAGES / name).as_posix())
        if name == "tokenswap-api":
            bundle = Path(os.environ.get("NODE_EXTRA_CA_CERTS") or "/nonexistent")
            content = bundle.read_bytes() if bundle.is_file() else b""
            entry = tarfile.TarInfo("ca-bundle.crt")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _build(name: str, digest: str) -> None:
    command = [
        "docker",
        "build",
        "--network",
        "host",
        "--force-rm",
        "-t",
        tag(name),
        "--label",
        f"{INPUTS_LABEL}={digest}",
    ]
    for proxy in PROXY_NAMES:
        if os.environ.get(proxy):
            command += ["--build-arg", proxy]
    run([*command, "-"], stdin=_context(name))


def _ensure_debian() -> None:
    if run(["docker", "image", "inspect", DEBIAN], check=False).returncode == 0:
        return
    if not shutil.which("mmdebstrap"):
        engine.install(["mmdebstrap"])
    with step(f"Making {DEBIAN} from Debian's packages"), tempfile.TemporaryDirectory() as folder:
        archive = str(Path(folder) / "base.tar")
        run(
            [
                "mmdebstrap",
                "-q",
                "--variant=minbase",
                '--aptopt=Acquire::Check-Valid-Until "false"',
                "bookworm",
                archive,
            ]
        )
        run(["docker", "import", "--change", f"LABEL {OURS_LABEL}=debian", archive, DEBIAN])


def ensure() -> bool:
    """Build what is missing or out of date; True when anything was built."""
    os.environ["DOCKER_BUILDKIT"] = "0"
    wanted = {"base": _digest("base", "")}
    wanted |= {name: _digest(name, wanted["base"]) for name in BUILT}
    stale = [name for name, digest in wanted.items() if _label(tag(name)) != digest]
    if not stale:
        return False
    _ensure_debian()
    if "base" in stale:
        with step("Building the base image"):
            _build("base", wanted["base"])
    services = [name for name in stale if name != "base"]
    if services:
        # The API first: it takes longest.
        services.sort(key=lambda name: name != "tokenswap-api")
        with step(f"Building {', '.join(services)}"), ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(lambda name: _build(name, wanted[name]), services))
    return True


def remove() -> None:
    """Remove what we built; Debian's image too when we made it."""
    names = [tag(name) for name in ("base", *BUILT)]
    run(["docker", "rmi", "-f", *(f"{name}:{PREVIOUS}" for name in names)], check=False)
    run(["docker", "rmi", "-f", *names], check=False)
    run(["docker", "image", "prune", "-f", "--filter", f"label={OURS_LABEL}"], check=False)
    if _label(DEBIAN, OURS_LABEL):
        run(["docker", "rmi", DEBIAN], check=False)
