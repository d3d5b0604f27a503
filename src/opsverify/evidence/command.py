"""`opsverify bundle verify|chain` and `opsverify sign-off`: what the command line says, and what is shown of it."""

from __future__ import annotations

import argparse
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from opsverify import profile
from opsverify.errors import UsageError
from opsverify.evidence import bundle, signoff, stream
from opsverify.evidence.finding import line, wrong
from opsverify.evidence.settings import Evidence
from opsverify.evidence.signing import SIGN_OFF, Trust, key_in, trust

OK, NOT_VERIFIED = 0, 1


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the subcommands to those of the command line; ``act`` of each says what is to be done."""
    bundles = commands.add_parser("bundle", help="verify sealed runs: what is in them, who has signed, in which order")
    actions = bundles.add_subparsers(required=True, metavar="ACTION", title="actions")
    one = actions.add_parser("verify", help="verify one run, and list its sign-offs")
    one.add_argument("directory", type=Path, metavar="DIR", help="the folder of the run")
    whole = actions.add_parser("chain", help="verify every run of a stream, and that none is missing")
    whole.add_argument("directory", type=Path, metavar="STREAM", help="the folder of the runs, reports/<profile>")
    whole.add_argument(
        "--head", type=_digest, metavar="DIGEST", help="a run's digest that was published or written down"
    )
    review = commands.add_parser("sign-off", help="sign a review of a sealed run, beside it")
    review.add_argument("directory", type=Path, metavar="DIR", help="the folder of the run")
    review.add_argument("--reviewer", required=True, metavar="NAME", help="who has reviewed it")
    review.add_argument("--role", required=True, metavar="TEXT", help="as what, such as architect or auditor")
    review.add_argument("--verdict", required=True, choices=signoff.VERDICTS, help="what came of it")
    review.add_argument("--remarks", default="", metavar="TEXT", help="what else there is to say")
    review.add_argument(
        "--key", type=Path, metavar="FILE", help="the reviewer's Ed25519 key (default: sign it yourself)"
    )
    for act, each in (("verify", one), ("chain", whole), ("sign-off", review)):
        each.set_defaults(act=act, unsigned_ok=False)
        each.add_argument(
            "--profile", metavar="NAME", help="whose [evidence] says who may sign (default: the stream's)"
        )
        each.add_argument("--allowed-signers", type=Path, metavar="FILE", help="who may sign, whatever a profile says")
        each.add_argument("--revoked", type=Path, metavar="FILE", help="public keys that count no more")
        each.add_argument("--identity", metavar="ID", help="who has to have signed; of a sign-off, who the reviewer is")
    for each in (one, whole):
        each.add_argument(
            "--unsigned-ok", action="store_true", help="a run that nobody has signed is told, not refused"
        )
    return [one, whole, review]


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected 64 hex digits")
    return text


def run(chosen: argparse.Namespace, now: datetime) -> int:
    """Verify, or sign off; the exit status.

    Raises:
        UsageError: wrong input, in one line.
    """
    directory: Path = chosen.directory.resolve()
    if not directory.is_dir():
        raise UsageError(f"{chosen.directory}: there is no such folder")
    of = directory if chosen.act == "chain" else directory.parent
    by, told = _trust(chosen, of, now, identity=chosen.act != "sign-off")
    if chosen.act == "sign-off":
        return _sign_off(chosen, directory, by)
    found: bundle.Bundle | stream.Stream
    if chosen.act == "chain":
        found = stream.verify(directory, by, head=chosen.head, unsigned_ok=chosen.unsigned_ok)
    else:
        found = bundle.verify(directory, by, unsigned_ok=chosen.unsigned_ok)
    if told:
        print(line("signers", told))
    print(found.told())
    return OK if found.holds else NOT_VERIFIED


def _trust(chosen: argparse.Namespace, of: Path, now: datetime, *, identity: bool) -> tuple[Trust, str]:
    """Whom to believe: what the command line says, else the profile; by default that of the stream's name.

    And in words where that is known from: runs may lie in a folder whose own profile vouches for them.
    """
    root, name = _root(of), chosen.profile or of.name
    settings = Evidence()
    if chosen.profile is not None or root is not None:
        settings = profile.evidence(name, root or Path.cwd(), must=chosen.profile is not None)
    base = root or Path.cwd()
    allowed = chosen.allowed_signers or (base / settings.allowed_signers if settings.allowed_signers else None)
    revoked = chosen.revoked or (base / settings.revoked if settings.revoked else None)
    expected = (chosen.identity or (None if chosen.allowed_signers else settings.identity)) if identity else None
    told = str(allowed or "") if chosen.allowed_signers or not allowed else f"{allowed}, as the profile {name} says"
    return trust(now, allowed, revoked, expected), told


def _root(of: Path) -> Path | None:
    """The project that this is called in, else the one that the runs lie in."""
    for start in (Path.cwd(), of):
        for each in (start, *start.parents):
            if (each / "profiles").is_dir():
                return each
    return None


def _sign_off(chosen: argparse.Namespace, directory: Path, by: Trust) -> int:
    """A reviewer signs nothing whose files are not as they were sealed."""
    found = bundle.verify(directory, by, unsigned_ok=True)
    if wrong(found.findings):
        print(found.told())
        return NOT_VERIFIED
    key = None if chosen.key is None else key_in(chosen.key)
    if key is None and chosen.identity is None:
        raise UsageError("sign-off: needs --key, or --identity of whoever signs it with ssh-keygen")
    said = signoff.written(
        {
            "run": found.seal.run if found.seal else found.name,
            "manifest_sha256": found.digest,
            "reviewer": chosen.reviewer,
            "role": chosen.role,
            "verdict": chosen.verdict,
            "remarks": chosen.remarks,
            "at": signoff.moment(by.now),
            "identity": chosen.identity or (signoff.identity_of(key, by) if key else ""),
        }
    )
    path = signoff.add(directory, said, key)
    seen = next(each for each in bundle.verify(directory, by, unsigned_ok=True).sign_offs if each.file == path.name)
    print(line("sign-off", str(seen)))
    print(line("file", f"{path.parent.name}/{path.name}"))
    if key is None:
        print(line("UNSIGNED", f"sign it: ssh-keygen -Y sign -n {SIGN_OFF} -f KEY {path}"))
    return OK if seen.holds else NOT_VERIFIED
