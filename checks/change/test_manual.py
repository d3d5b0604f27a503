"""The manual itself: covered line by line, complete, and kept up to date."""

import pytest

from opsverify.rules import documents


@pytest.fixture
def lines(run):
    """The lines of the manual that each requirement covers."""
    return {each.id: each.lines for each in run.catalogue.values()}


@pytest.mark.requirement("DOC-SCOPE-01")
def test_every_line_of_the_manual_is_covered(manual, lines, limits, missing, judge):
    """A line that no requirement owns is a promise that nobody looks after."""
    judge(documents.covered(manual, lines, limits, missing))


@pytest.mark.requirement("DOC-LINK-01")
def test_linked_manuals_cover_their_topics(manual, linked, limits, missing, judge):
    """A link into the void is found out at night, by whoever needs the other end of it."""
    judge(documents.links_lead(manual, linked, limits, missing))


@pytest.mark.requirement("DOC-META-01")
def test_manual_is_kept_up_to_date(manual, limits, missing, now, judge):
    """A manual that nobody has read over for a year describes another system."""
    judge(documents.kept_up(manual, limits, missing, now))
