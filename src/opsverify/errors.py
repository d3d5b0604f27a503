"""What can go wrong, by what it means for a verdict.

A judgement that is not met is an ``AssertionError``. Everything here is *not* a judgement: it says that the
suite was used wrongly, or that a fact could not be had. Neither may ever look like a pass or like a finding.
"""

from pathlib import PurePath


class OpsverifyError(Exception):
    """Base of all errors of this package; its text is meant to be read by a person."""


class UsageError(OpsverifyError):
    """Bad input: names the file, the key, what came and what was expected. Nothing was asked of any system."""


class RefusedError(OpsverifyError):
    """The guard of a channel refused a question because it is not on the read-only list."""


class UnansweredError(OpsverifyError):
    """A fact could not be had: the state of the check is ``error``, never ``pass`` and never ``fail``."""


class UnreachableError(UnansweredError):
    """The target could not be reached at all; it is not asked again in this run."""


class CarrierError(UnreachableError):
    """The way to a target is broken (ssh, docker exec): nothing is known of the target, not even that it is down."""


class NotRecordedError(OpsverifyError):
    """A replay came upon a question whose answer is not in the transcript, or not as the run wrote it.

    It is no `UnansweredError`: whoever makes a finding of a system that gave no answer must not make one of this.
    """


class InsufficientFactsError(UnansweredError):
    """There was an answer, but too little (or too old) to judge by."""


def reason(error: OSError) -> str:
    """Why something could not be read or written: the name of the file, where it is known, and what was said."""
    name = f"{PurePath(error.filename).name}: " if isinstance(error.filename, str) else ""
    return f"{name}{error.strerror or error}"
