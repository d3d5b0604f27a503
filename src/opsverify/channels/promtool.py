"""The promtool channel: tests of rules, run by Prometheus' own tool here, with nothing but what it is handed.

No system is asked anything: files go in, words come out. The tool is one of this machine, or that of a local image in a
container without network.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opsverify import targets
from opsverify.channels.base import Channel
from opsverify.channels.coding import SAME, key
from opsverify.channels.places import CLIENT, SPOKEN, local_engine
from opsverify.errors import UnansweredError
from opsverify.transcript import Transcript

TIMEOUT_S = 120
# promtool makes a database for each test, and reserves 512 MiB for it: on a disk that takes no time, but in a tmpfs the
# kernel clears all of it. So /tmp is a volume, which goes with its container.
IN_CONTAINER = (
    "run",
    "--rm",
    "-i",
    "--pull=never",
    "--network=none",
    "--read-only",
    "--volume=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--no-healthcheck",
    "--label=opsverify=promtool",
    "--workdir=/tmp",
    "--entrypoint=sh",
)


class PromtoolChannel(Channel):
    """Runs ``promtool test rules`` for the rules of one Prometheus."""

    kind = "promtool"

    def __init__(self, spec: targets.Prometheus, transcript: Transcript) -> None:
        super().__init__(spec.name, "runner", TIMEOUT_S + 10, transcript)
        self._tool = spec.promtool

    @property
    def here(self) -> bool:
        """Whether there is a promtool: one that the profile names, or one in PATH."""
        return bool(self.exchange("is there a promtool", self._is_here, SAME))

    def _is_here(self) -> bool:
        return self._tool is not None or shutil.which("promtool") is not None

    def test(self, files: Mapping[str, str], tests: str) -> str:
        """Run the tests in the file ``tests`` and return what promtool says, whether they fail or not.

        Raises:
            UnansweredError: it cannot be run, or does not end in time.
        """
        run = self._in_container if self._tool is not None and self._tool.image else self._on_runner
        return str(self.exchange({"test": tests, "files": dict(files)}, lambda: run(files, tests), key("said")))

    def _on_runner(self, files: Mapping[str, str], tests: str) -> str:
        program = (self._tool and self._tool.bin) or shutil.which("promtool") or "promtool"
        with tempfile.TemporaryDirectory(prefix="opsv-promtool-") as folder:
            for name, text in files.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            return self._said(
                [program, "test", "rules", tests], cwd=folder, env={**SPOKEN, "HOME": folder, "TMPDIR": folder}
            )

    def _in_container(self, files: Mapping[str, str], tests: str) -> str:
        engine, image = local_engine("promtool.image"), str(self._tool and self._tool.image)
        handed = io.BytesIO()
        with tarfile.open(fileobj=handed, mode="w") as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(text.encode()), 0o644
                archive.addfile(entry, io.BytesIO(text.encode()))
        line = [
            engine,
            *IN_CONTAINER,
            image,
            "-c",
            f"tar xof - && exec timeout {TIMEOUT_S} promtool test rules {tests}",
        ]
        kept = {name: value for name, value in os.environ.items() if name in CLIENT}
        return self._said(line, input=handed.getvalue(), cwd="/", env=kept)

    def _said(self, line: list[str], **options: Any) -> str:
        try:
            done: subprocess.CompletedProcess[bytes] = subprocess.run(
                line, capture_output=True, check=False, timeout=self.timeout_s, **options
            )
        except subprocess.TimeoutExpired:
            raise UnansweredError(f"promtool: did not end within {self.timeout_s:g} s") from None
        except OSError as error:
            raise UnansweredError(f"promtool: {line[0]} cannot be run: {error.strerror}") from None
        said = (done.stdout + done.stderr).decode(errors="backslashreplace")
        if done.returncode not in (0, 1):  # 1: a test failed, which these are written to do
            raise UnansweredError(f"promtool: ended with status {done.returncode}: {said.strip()[-300:] or 'nothing'}")
        return said
