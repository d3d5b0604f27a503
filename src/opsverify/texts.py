"""Text on its way to a reader: made visible, cut, counted. All that live systems say is hostile."""

from __future__ import annotations

import unicodedata

# Controls, marks of direction, halves of characters, private and unknown ones, other kinds of newline.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    r"""Spell out what can't be seen, or would act on what shows it: ``\x1b`` for an escape. Newlines stay."""
    if text.replace("\n", "").isprintable():  # then nothing of what is unseen is in it; most texts end here
        return text
    return "".join(
        each if each == "\n" or unicodedata.category(each) not in UNSEEN else each.encode("unicode_escape").decode()
        for each in text.replace("\r\n", "\n").replace("\t", "    ")
    )


def clip(text: str, most: int) -> str:
    """Cut an overlong text, and say so."""
    return text if len(text) <= most else f"{text[:most].rstrip()} … ({len(text):,} characters, all in results.json)"


def number(count: int, noun: str) -> str:
    """A count with its noun: ``1 check``, ``2 checks``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
