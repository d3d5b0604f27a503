"""How runs are sealed: the table ``[evidence]`` of a profile. All of it may be left out; then nothing is signed."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from opsverify.catalogue import Strict, Text
from opsverify.targets import Secret

# A principal as ssh-keygen -I takes it: one name, and no pattern.
Identity = Annotated[str, StringConstraints(pattern=r"^[^\s\",!*?\[\]]+$", max_length=200)]


class Evidence(Strict):
    """Settings of the bundle.

    ``key`` refers to an OpenSSH Ed25519 private key without a passphrase, ``identity`` is the principal that the file
    ``allowed_signers`` knows it by; ``revoked`` is a file of public keys that count no more. ``publish`` is a program
    with its arguments that is given the digest of each sealed run as a last one, within ``publish_seconds``.
    ``retention_days`` is how long runs are kept. Relative paths start at the project's root.
    """

    key: Secret | None = None
    identity: Identity | None = None
    allowed_signers: Text | None = None
    revoked: Text | None = None
    publish: list[Text] = Field(default_factory=list)
    publish_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 30.0
    retention_days: Annotated[int, Field(ge=1, le=36500)] = 400

    @model_validator(mode="after")
    def _known_by_a_name(self) -> Self:
        if self.key is not None and self.identity is None:
            raise ValueError("expected identity, the principal that allowed_signers knows the key by")
        return self
