"""Rules of the chapter *people*: contacts, duty and escalation, by what people state in the roster and attest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from opsverify.judgement import Limits, Observation, holds, none_of, within
from opsverify.probes import Attempt
from opsverify.probes.documents import Attested
from opsverify.roster import Person, Role, Roster, Span, Team, clock_days, gaps, runs, working_hours
from opsverify.rules.statements import Missing, attestation, complete, good_until, lack

# Names that stand for nobody: those of the manual, and those that forms and examples are filled with.
NAMES_OF_NOBODY = ("john doe", "jane smith", "bob johnson", "张三", "李四", "王五", "待定", "某某")
SURNAMES_OF_NOBODY = ("doe", "mustermann", "musterfrau")
FILLERS = ("example", "test", "tbd", "tba", "todo", "nn", "nobody", "unknown", "placeholder", "dummy", "xxx")
MANUALS_NUMBER = "+15550123"


def mail_arrives(
    roster: Roster | None,
    team: Team,
    exchangers: Attempt[tuple[str, ...]],
    drill: Attested | None,
    limits: Limits,
    missing: Missing,
    now: datetime,
) -> list[Observation]:
    """The team's address is the manual's, is well formed, its domain takes mail, and a drill was answered.

    ``exchangers`` are those of `mail_domain`; they are not looked at where the address has none.
    """
    seen, lacking = _current(roster, missing, now)
    if roster is not None:
        address = roster.team(team)
        if address is None:
            lack(f"address of {team}", "the roster gives none", missing, seen, lacking)
        else:
            seen.append(within(f"address of {team}", address, limits.address))
            seen.append(_well_formed(f"address of {team}", address))
            if mail_domain(address) and exchangers.value is None:
                lacking.append(exchangers.failure)
            elif mail_domain(address):
                servers = exchangers.value or ()
                name = f"servers that take mail for {mail_domain(address)}"
                seen.append(holds(name, servers or "none", "at least one", bool(servers)))
    drilled = attestation(drill, missing, now, limits.drill_age_days)
    return complete(seen + drilled[0], lacking + drilled[1])


def mail_domain(address: str | None) -> str | None:
    """The domain of a mail address, in ASCII; None where the address is not well formed."""
    try:
        return validate_email(address or "", check_deliverability=False).ascii_domain
    except EmailNotValidError:
        return None


def phone_is_answered(
    roster: Roster | None, drill: Attested | None, limits: Limits, missing: Missing, now: datetime
) -> list[Observation]:
    """The duty telephone has a number that exists, in full international form, and a drill call was answered."""
    seen, lacking = _current(roster, missing, now)
    if roster is not None and roster.contacts.phone is None:
        lack("duty telephone", "the roster gives none", missing, seen, lacking)
    elif roster is not None:
        seen.append(_number("duty telephone", str(roster.contacts.phone)))
    drilled = attestation(drill, missing, now, limits.drill_age_days)
    return complete(seen + drilled[0], lacking + drilled[1])


def role_is_held(
    roster: Roster | None, role: Role, confirmed: Attested | None, missing: Missing, now: datetime
) -> list[Observation]:
    """The role is held by a real person with a well-formed address, who has confirmed it."""
    seen, lacking = _current(roster, missing, now)
    if roster is not None:
        holders = roster.holders(role)
        seen.append(holds(role, tuple(each.name for each in holders) or "nobody", "a person", bool(holders)))
        for each in holders:
            seen.append(_real(each))
            seen.append(_well_formed(f"address of {each.name}", each.mail))
    confirmation = attestation(confirmed, missing, now)
    return complete(seen + confirmation[0], lacking + confirmation[1])


def weekdays_are_covered(roster: Roster | None, limits: Limits, missing: Missing, now: datetime) -> list[Observation]:
    """In the hours of the weekday duty somebody is on duty, over the whole horizon."""
    seen, lacking = _current(roster, missing, now)
    if roster is not None:
        begins, ends = (time.fromisoformat(str(each.value)) for each in (limits.duty_start, limits.duty_end))
        until = now + timedelta(days=limits.horizon_days.number)
        hours = working_hours(roster.zone, begins, ends, now, until)
        spans = roster.spans("weekday", "emergency")
        if not hours:
            lacking.append(f"no working hours from now until {until:%Y-%m-%d %H:%M} UTC to look at")
        open_hours = [gap for each in hours for gap in gaps(spans, each.start, each.end)]
        name = f"weekday hours without anyone on duty in the next {limits.horizon_days.number:g} days"
        seen.append(none_of(name, _written(open_hours, roster), seen=len(hours), of="working days"))
    return complete(seen, lacking)


def emergencies_are_covered(
    roster: Roster | None, limits: Limits, missing: Missing, now: datetime
) -> list[Observation]:
    """Somebody is on emergency duty at every moment of the horizon."""
    seen, lacking = _current(roster, missing, now)
    if roster is not None:
        spans = roster.spans("emergency")
        if limits.horizon_days.number <= 0:
            lacking.append("no time to look at: horizon_days is not more than 0")
        found = gaps(spans, now, now + timedelta(days=limits.horizon_days.number))
        name = f"time without anyone on emergency duty in the next {limits.horizon_days.number:g} days"
        seen.append(none_of(name, _written(found, roster), seen=len(spans), of="emergency shifts"))
    return complete(seen, lacking)


def duty_rotates(roster: Roster | None, limits: Limits, missing: Missing, now: datetime) -> list[Observation]:
    """Nobody is on the same duty for too long without a hand-over, now or in what is planned."""
    seen, lacking = _current(roster, missing, now)
    if roster is not None:
        ahead = [each for duty in ("weekday", "emergency") for each in runs(roster.spans(duty)) if each.end > now]
        if not ahead:
            lack("shifts from now on", "none", missing, seen, lacking)
        for person in dict.fromkeys(each.person for each in ahead):
            longest = max(clock_days(each, roster.zone) for each in ahead if each.person == person)
            seen.append(within(f"longest duty of {person} without a hand-over", longest, limits.shift_days))
    return complete(seen, lacking)


def level_is_named(
    roster: Roster | None, level: int, roles: Sequence[Role], missing: Missing, now: datetime
) -> list[Observation]:
    """A level of escalation names a person for each of its roles, and each can be reached.

    The first level, which has no role of its own, is whoever is on duty now; the last is for severe incidents only.
    """
    seen, lacking = _current(roster, missing, now)
    found = roster.reached(level) if roster is not None else None
    if roster is not None and found is None:
        seen.append(holds(f"level {level}", "not in the roster", "people who can be reached", met=False))
    elif roster is not None and found is not None:
        entry, people = found
        if level == 1:
            seen.append(holds("level 1 is whoever is on duty", entry.duty, "yes", entry.duty))
            on_duty = {each.person for each in roster.spans("weekday", "emergency") if each.start <= now < each.end}
            people = [each for each in roster.people if each.name in on_duty]
            seen.append(holds("on duty now", tuple(sorted(on_duty)) or "nobody", "a person", bool(on_duty)))
        for role in roles:
            holders = tuple(each.name for each in people if role in each.roles)
            seen.append(holds(f"level {level}, {role}", holders or "nobody", "a person", bool(holders)))
        if level == 4:
            seen.append(holds("level 4 is for severe incidents only", entry.severe_only, "yes", entry.severe_only))
        for each in people:
            seen += [_real(each), _reachable(each)]
    return complete(seen, lacking)


def placeholder(name: str) -> bool:
    """Tell whether a name stands for nobody. A real Anna Smith is somebody."""
    plain = " ".join(name.split()).casefold()
    words = re.sub(r"[^\w\s]", "", plain).split()
    return not words or plain in NAMES_OF_NOBODY or words[-1] in SURNAMES_OF_NOBODY or words[0] in FILLERS


def _current(roster: Roster | None, missing: Missing, now: datetime) -> tuple[list[Observation], list[str]]:
    seen: list[Observation] = []
    lacking: list[str] = []
    if roster is None:
        lack("roster", "none", missing, seen, lacking)
    else:
        seen.append(good_until("roster", roster.expires, now))
    return seen, lacking


def _well_formed(name: str, address: str) -> Observation:
    stands_in = placeholder(re.sub(r"\W+", " ", address.partition("@")[0]))
    shown = f"{address} (a placeholder)" if stands_in else address
    good = not stands_in and mail_domain(address) is not None
    return holds(f"{name} as written", shown, "a well-formed mail address, no placeholder", good)


def _real(person: Person) -> Observation:
    stands_in = placeholder(person.name)
    shown = f"{person.name} (a placeholder)" if stands_in else person.name
    return holds(f"name of {', '.join(person.roles)}", shown, "the name of a real person", not stands_in)


def _reachable(person: Person) -> Observation:
    by_phone = person.phone is not None and _number("", person.phone).met
    by_mail = mail_domain(person.mail) is not None
    ways = tuple(way for way, good in ((person.phone, by_phone), (person.mail, by_mail)) if good)
    return holds(f"{person.name} is reached by", ways or "nothing valid", "telephone or mail", bool(ways))


def _number(name: str, written: str) -> Observation:
    """A telephone number that exists somewhere and is not set aside for fiction (in North America: 555-01xx)."""
    expected = "a valid number in international form (E.164), such as +49 …"
    try:
        number = phonenumbers.parse(written, None)
    except phonenumbers.NumberParseException:
        return holds(name, written, expected, met=False)
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if plain == MANUALS_NUMBER or re.fullmatch(r"\+1\d{3}55501\d\d", plain):
        return holds(name, f"{written} (a placeholder: set aside for fiction)", expected, met=False)
    return holds(name, written, expected, phonenumbers.is_valid_number(number))


def _written(spans: Sequence[Span], roster: Roster) -> list[str]:
    """Stretches of time by the clocks of the roster; both zones where the clocks change in between."""
    found = []
    for each in spans:
        start, end = (moment.astimezone(roster.zone) for moment in (each.start, each.end))
        changed = f" {start:%Z}" if start.tzname() != end.tzname() else ""
        found.append(f"{start:%Y-%m-%d %H:%M}{changed} – {end:%Y-%m-%d %H:%M %Z}")
    return found
