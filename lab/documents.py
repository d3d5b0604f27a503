"""What the lab's invented people keep on file: roster, attestations and what bears them out, incidents, manuals.

Everything is relative to today, so the files are written anew when they are older than a day.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lab.settings import LAB
from opsverify import catalogue
from opsverify.attest import needing

CHECKS = LAB.parent / "checks"
WRITE_AGAIN_AFTER = timedelta(days=1)
ZONE = ZoneInfo("Europe/Berlin")
WEEKS_BACK, WEEKS_AHEAD = 1, 5
ROTATION = ("Mara Lindqvist", "Tomasz Wieczorek", "Aylin Demir", "Jonas Brandt")
HANDED_OVER = time(9)  # on Mondays

ROSTER = """\
# The lab's roster. The people are invented; `python -m lab up` writes it anew every day.
by = "Mara Lindqvist"
reviewed_by = "Henrik Sommer"
date = {today}
valid_for = "30d"
timezone = "{zone}"

[contacts]
# Of the numbers that the German regulator sets aside for films (030 23125 000 to 999): well formed, and nobody's.
phone = "+49 30 23125 042"

[contacts.mail]
operations = "ops@tokenswap.io"
support = "support@tokenswap.io"
security = "security@tokenswap.io"

[[people]]
name = "Mara Lindqvist"
roles = ["operations-manager", "engineer"]
mail = "mara.lindqvist@tokenswap.io"
phone = "+49 30 23125 101"

[[people]]
name = "Tomasz Wieczorek"
roles = ["system-administrator", "engineer"]
mail = "tomasz.wieczorek@tokenswap.io"
phone = "+49 30 23125 102"

[[people]]
name = "Aylin Demir"
roles = ["database-administrator", "engineer"]
mail = "aylin.demir@tokenswap.io"
phone = "+49 30 23125 103"

[[people]]
name = "Jonas Brandt"
roles = ["senior-system-administrator", "engineer"]
mail = "jonas.brandt@tokenswap.io"
phone = "+49 30 23125 104"

[[people]]
name = "Henrik Sommer"
roles = ["architect"]
mail = "henrik.sommer@tokenswap.io"
phone = "+49 30 23125 105"

[[people]]
name = "Priya Raman"
roles = ["technical-lead"]
mail = "priya.raman@tokenswap.io"
phone = "+49 30 23125 106"

[[people]]
name = "Claire Fontaine"
roles = ["cto"]
mail = "claire.fontaine@tokenswap.io"
phone = "+49 30 23125 107"

[[escalation]]
level = 1
duty = true

[[escalation]]
level = 2
roles = ["senior-system-administrator"]

[[escalation]]
level = 3
roles = ["architect", "technical-lead"]

[[escalation]]
level = 4
roles = ["cto"]
severe_only = true
"""

SHIFT = """
[[shifts]]
person = "{person}"
duty = "{duty}"
from = {start:%Y-%m-%dT%H:%M:%S}
to = {end:%Y-%m-%dT%H:%M:%S}
"""

ATTESTATION = """
[[attestation]]
requirement = "{requirement}"
statement = "{statement}"
by = "Aylin Demir"
reviewed_by = "Mara Lindqvist"
date = {today}
valid_for = "60d"
artefact = "{artefact}"
sha256 = "{sha256}"
"""

# What `npm audit --json` writes of an application with one harmless finding: the shape is npm's, the finding invented.
NPM_AUDIT: dict[str, Any] = {
    "auditReportVersion": 2,
    "vulnerabilities": {
        "pretty-table": {
            "name": "pretty-table",
            "severity": "moderate",
            "isDirect": True,
            "via": [
                {
                    "source": 1000001,
                    "name": "pretty-table",
                    "dependency": "pretty-table",
                    "title": "Tables of a million columns take long",
                    "url": "https://github.com/advisories/GHSA-0000-0000-0001",
                    "severity": "moderate",
                    "range": "<2.0.0",
                }
            ],
            "effects": [],
            "range": "<2.0.0",
            "nodes": ["node_modules/pretty-table"],
            "fixAvailable": False,
        }
    },
    "metadata": {
        "vulnerabilities": {"info": 0, "low": 0, "moderate": 1, "high": 0, "critical": 0, "total": 1},
        "dependencies": {"prod": 42, "dev": 0, "optional": 0, "peer": 0, "peerOptional": 0, "total": 42},
    },
}
# Requirements whose artefact a machine has made, and a check reads: the end of its name, and what it says.
MADE_BY_MACHINES = {"BP-SEC-01": ("json", json.dumps(NPM_AUDIT, indent=2) + "\n")}


# What the invented people answered: one critical alert and one warning, with every step of the manual.
INCIDENTS = {
    "INC-LAB-1": """\
id = "INC-LAB-1"
severity = "critical"
alert = "APIDown"
labels = {{ service = "tokenswap-api" }}
started = {0:%Y-%m-%dT08:00:00Z}
ended = {0:%Y-%m-%dT08:40:00Z}
acknowledged = {{ by = "Tomasz Wieczorek", at = {0:%Y-%m-%dT08:03:00Z} }}
impact = {{ services = "tokenswap-api", users = "all, for half an hour", data = "none" }}
plan = {{ name = "The API does not answer", by = "Tomasz Wieczorek", at = {0:%Y-%m-%dT08:05:00Z} }}
notified = [{{ team = "support", at = {0:%Y-%m-%dT08:08:00Z} }}, {{ team = "security", at = {0:%Y-%m-%dT08:09:00Z} }}]
root_cause = "A deployment left the configuration of the database behind."

[[timeline]]
at = {0:%Y-%m-%dT08:00:00Z}
by = "Alertmanager"
what = "APIDown fires"

[[timeline]]
at = {0:%Y-%m-%dT08:03:00Z}
by = "Tomasz Wieczorek"
what = "takes it on"

[[timeline]]
at = {0:%Y-%m-%dT08:40:00Z}
by = "Tomasz Wieczorek"
what = "the API answers again, seen by the health page"
""",
    "INC-LAB-2": """\
id = "INC-LAB-2"
severity = "warning"
alert = "SlowResponseTime"
labels = {{ service = "tokenswap-api" }}
started = {1:%Y-%m-%dT14:00:00Z}
ended = {1:%Y-%m-%dT15:10:00Z}
acknowledged = {{ by = "Aylin Demir", at = {1:%Y-%m-%dT14:20:00Z} }}
root_cause = "A report without an index read the whole table of swaps."
prevention = "Reports run on the replica."

[[fixes]]
what = "add the index"
owner = "Aylin Demir"
due = {1:%Y-%m-%d}
""",
}

# The operations manual as the lab keeps it: read over today; and the two that it links to, which the project has not.
MANUAL = LAB.parent / "manual" / "operations-manual.zh.md"
LINKED = {
    "monitoring.md": """\
# 监控手册

## 监控架构和指标
Prometheus 抓取 tokenswap-api 与 node-exporter 的指标，blackbox 从外部访问健康页面。

## Grafana 仪表板配置
仪表板按服务划分，数据源为 Prometheus。

## 告警规则和通知
规则见 `lab/images/prometheus/rules.yml`，由 Alertmanager 通知值班人员。

## 性能监控和链路追踪
P95 响应时间取自直方图指标；链路追踪按服务名查询。
""",
    "maintenance.md": """\
# 维护手册

## 日常维护流程
每日执行 `daily_health_check.sh`，每周执行 `security_audit.sh`。

## 备份和恢复策略
每晚 `nightly_backup.sh`，保留 95 天，并推送到异地；恢复用 `make restore-drill` 演练。

## 故障排除指南
先运行 `make verify`，按失败项的处理建议逐条处理。

## 升级和迁移流程
用 `deploy.sh` 更新服务；健康检查失败时由 `rollback.sh` 回退到上一镜像。
""",
}


def ensure(folder: Path, now: datetime) -> None:
    """Write the documents unless they are there, whole and less than a day old."""
    written = folder / "attestations.toml"  # the last one to be written
    others = (
        *("roster.toml", "accepted.toml", MANUAL.name, *LINKED),
        *(f"incidents/{name}.toml" for name in INCIDENTS),
    )
    if not all(each.exists() for each in (written, *(folder / name for name in others))):
        write(folder, now)
        return
    text = written.read_text(encoding="utf-8")
    age = abs(now - datetime.fromtimestamp(written.stat().st_mtime, now.tzinfo))
    if age >= WRITE_AGAIN_AFTER or any(f'"{each}"' not in text for each in needing(CHECKS)):
        write(folder, now)


def write(folder: Path, now: datetime, checks: Path = CHECKS) -> None:
    """Write roster, attestations (of all that ``checks`` ask for) and their artefacts, good for weeks from ``now``."""
    evidence = folder / "evidence"
    evidence.mkdir(parents=True, exist_ok=True)
    today = f"{now:%Y-%m-%d}"
    (folder / "roster.toml").write_text(
        ROSTER.format(today=today, zone=ZONE.key) + "".join(_shifts(now)), encoding="utf-8"
    )
    entries = ["# The lab's attestations. The drills are invented; `python -m lab up` writes them anew every day.\n"]
    titles = catalogue.load(checks)
    for requirement in needing(checks):
        statement = f"Lab exercise for this requirement done and answered: {titles[requirement].title}"
        kind, text = MADE_BY_MACHINES.get(requirement, ("md", f"# {requirement}\n\n{today}: {statement}.\n"))
        artefact = evidence / f"{requirement}.{kind}"
        artefact.write_text(text, encoding="utf-8")
        entries.append(
            ATTESTATION.format(
                requirement=requirement,
                statement=statement,
                today=today,
                artefact=artefact.relative_to(folder),
                sha256=hashlib.sha256(artefact.read_bytes()).hexdigest(),
            )
        )
    (folder / "incidents").mkdir(exist_ok=True)
    for name, text in INCIDENTS.items():
        told = text.format(now - timedelta(days=6), now - timedelta(days=12))
        (folder / "incidents" / f"{name}.toml").write_text(told, encoding="utf-8")
    _write_manuals(folder, now)
    (folder / "accepted.toml").write_text("# Findings of audits that the lab lives with: none.\n", encoding="utf-8")
    (folder / "attestations.toml").write_text("".join(entries), encoding="utf-8")


def _shifts(now: datetime) -> list[str]:
    """One person a week, from Monday to Monday, day and night; and the next one in the hours of weekdays."""
    today = now.astimezone(ZONE).date()
    monday = today - timedelta(days=today.weekday() + 7 * WEEKS_BACK)
    shifts = []
    for week in range(WEEKS_BACK + WEEKS_AHEAD + 1):
        first = monday + timedelta(weeks=week)
        turn = first.toordinal() // 7  # not the week of the year: one with 53 would give someone two in a row
        start, end = (datetime.combine(day, HANDED_OVER) for day in (first, first + timedelta(weeks=1)))
        shifts.append(SHIFT.format(person=ROTATION[turn % len(ROTATION)], duty="emergency", start=start, end=end))
        for day in range(5):
            start, end = (datetime.combine(first + timedelta(days=day), time(hour)) for hour in (9, 18))
            person = ROTATION[(turn + 1) % len(ROTATION)]
            shifts.append(SHIFT.format(person=person, duty="weekday", start=start, end=end))
    return shifts


def _write_manuals(folder: Path, now: datetime) -> None:
    day = f"{now.year}年{now.month}月{now.day}日"
    text = re.sub(r"(?<=最后更新时间: )\d+年\d+月\d+日", day, MANUAL.read_text(encoding="utf-8"))
    for name, content in {MANUAL.name: text, **LINKED}.items():
        (folder / name).write_text(content, encoding="utf-8")
