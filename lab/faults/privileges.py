"""Ways to become root by accident: on the host, in its groups and files, and in containers."""

from __future__ import annotations

import contextlib

from lab.faults.host import file_saved, on_node

SSHD_CONF = "/etc/ssh/sshd_config.d/lab.conf"
KEY_PAIRS = "/etc/tokenswap/keypairs"


def sudoers(line: str) -> contextlib.AbstractContextManager[None]:
    """Another line in a file of its own below /etc/sudoers.d."""
    path = "/etc/sudoers.d/evening"
    return on_node(f"echo '{line}' > {path} && chmod 0440 {path} && visudo -cq", f"rm -f {path}")


def sshd_setting(*lines: str) -> contextlib.AbstractContextManager[None]:
    """Other settings of sshd at the end of its file, which ``sshd -T`` reads; the sshd that runs is not reloaded."""
    end = r"\n".join((*lines, ""))
    return file_saved(SSHD_CONF, f"printf '{end}' >> {SSHD_CONF} && sshd -t")


def member_of(group: str) -> contextlib.AbstractContextManager[None]:
    """An ordinary account is in a group, which is made for it where there is none."""
    there = f"getent group {group} > /dev/null"
    return on_node(
        f"{there} || {{ groupadd {group} && touch /run/made-{group}; }}; gpasswd -a games {group}",
        f"gpasswd -d games {group}; [ ! -e /run/made-{group} ] || {{ groupdel {group}; rm /run/made-{group}; }}",
    )


def second_root() -> contextlib.AbstractContextManager[None]:
    """Another account has the number 0."""
    return on_node("useradd -o -u 0 -M -N toor", "sed -i '/^toor:/d' /etc/passwd /etc/shadow")


def key_pairs(do: str) -> contextlib.AbstractContextManager[None]:
    """Something is done in the folder of the key pairs, which then is as it was."""
    saved = "/run/saved-keypairs"
    return on_node(
        f"cp -a {KEY_PAIRS} {saved} && cd {KEY_PAIRS} && {do}", f"rm -rf {KEY_PAIRS} && mv {saved} {KEY_PAIRS}"
    )
