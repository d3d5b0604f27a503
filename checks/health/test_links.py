"""The pages that people are sent to are there, and are themselves."""

import pytest

from opsverify.probes import links
from opsverify.rules import health


@pytest.mark.requirement("LNK-GRAF-01")
def test_dashboard_has_its_database(link, fact, limits, judge):
    """A login page answers 200 while every panel behind it is empty; the database is what the panels come from."""
    judge(health.link_state("GET /api/health", fact(links.grafana, link), limits.database))


@pytest.mark.requirement("LNK-KIB-01")
def test_log_search_is_available(link, fact, limits, judge):
    """In an incident the logs are looked for first; a search without its index finds nothing, and says so politely."""
    judge(health.link_state("GET /api/status", fact(links.kibana, link), limits.states))


@pytest.mark.requirement("LNK-STAT-01", "LNK-DOC-01")
def test_page_is_itself(link, fact, judge):
    """A parked domain and a stranger's login page answer 200 as well; only the page's own words tell."""
    judge(health.page_is_itself(fact(links.page, link, link.spec.marker), link.spec.marker))
