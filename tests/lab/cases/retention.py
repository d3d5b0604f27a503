"""Cases of retention: days of logs that are lacking, and whatever deletes logs or backups too early."""

from __future__ import annotations

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss

EVERYWHERE_UNKNOWN = {
    "CAP-STO-03-application": "error",
    "CAP-STO-03-searchable": "error",
    "CAP-STO-03-settlement": "error",
    "CAP-STO-03-quotes": "error",
    "CAP-STO-05-nightly": "error",
}

FAULTS = [
    Fault(
        "the log of day 17 is gone",
        lambda: faults.log_day_gone(17),
        {"CAP-STO-02-application": "fail"},
        lane="log-files",
    ),
    Fault(
        "the log of a day has name and time alone",
        lambda: faults.log_day_of_another(9),
        {"CAP-STO-02-application": "fail"},
        lane="log-files",
    ),
    Fault(
        "a day of logs without its DEBUG lines",
        lambda: faults.log_day_without(12, "DEBUG"),
        {"CAP-STO-02-application": "fail"},
        lane="log-files",
    ),
    Fault(
        "the index of day 17 is gone",
        lambda: faults.index_gone(17),
        {"CAP-STO-02-searchable": "fail"},
        lane="elasticsearch",
    ),
    Fault(
        "an index without DEBUG entries",
        lambda: faults.index_without_level(3),
        {"CAP-STO-02-searchable": "fail"},
        lane="elasticsearch",
    ),
    Fault(
        "the index lifecycle deletes after 7 days",
        lambda: faults.index_policy("7d"),
        {"CAP-STO-03-searchable": "fail"},
        lane="elasticsearch",
    ),
    Fault(
        "backups deleted after 30 days",
        lambda: faults.nightly_backup('"*_*" -mtime +95', '"*_*" -mtime +30'),
        {"CAP-STO-05-nightly": "fail"},
        lane="deleters",
    ),
    Fault(
        "base backups kept by number",
        lambda: faults.nightly_backup(
            "-name 'base_*' -mtime +95 -exec rm -rf {} +",
            "-name 'base_*' | sort | head -n -3 | xargs -r rm -rf",
        ),
        {"CAP-STO-05-nightly": "fail"},
        lane="deleters",
    ),
    Fault(
        "backups deleted deep in a chain of scripts",
        lambda: faults.chain_of_scripts('find "$1" -type f -name \'*.gz\' -mtime +"$2" -exec rm -f {} \\;'),
        {"CAP-STO-05-nightly": "fail"},
        lane="deleters",
    ),
    Fault(
        "root's own crontab deletes backups",
        lambda: faults.crontab_of_root("cd /backup/database && ls -t | tail -n +15 | xargs -r rm -f --"),
        {"CAP-STO-05-nightly": "fail"},
        lane="deleters",
    ),
    Fault(
        "a job runs a script that cannot be read",
        lambda: faults.all_of(
            faults.script("lab_secret.sh", "#!/bin/sh\nfind /backup -mtime +1 -delete\n", "0700"),
            faults.cron_job("/opt/tokenswap/scripts/lab_secret.sh"),
        ),
        EVERYWHERE_UNKNOWN,
        lane="deleters",
    ),
    Fault(
        "a job in cron.d deletes logs after 7 days",
        lambda: faults.cron_job('find /var/log -type f -name "*.gz" -mtime +7 -delete'),
        {"CAP-STO-03-application": "fail"},
        lane="deleters",
    ),
    Fault(
        "logrotate keeps 7 days",
        lambda: faults.rotation("rotate 40", "rotate 7"),
        {"CAP-STO-03-application": "fail"},
        lane="deleters",
    ),
    Fault(
        "logrotate goes by size alone",
        lambda: faults.rotation("    daily\n", "    size 100M\n"),
        {"CAP-STO-03-application": "fail"},
        lane="deleters",
    ),
    Fault(
        "a job deletes indices by their day",
        lambda: faults.cron_job(
            'curl -fsS -X DELETE "http://elasticsearch:9200/tokenswap-logs-$(date -u -d "8 days ago" +\\%Y.\\%m.\\%d)"'
        ),
        {"CAP-STO-03-searchable": "fail"},
        lane="deleters",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "backups deleted after 90 days exactly",
        lambda: faults.nightly_backup("-mtime +95", "-mtime +90"),
        ("CAP-STO-05",),
        lane="deleters",
    ),
    NearMiss(
        "logs deleted after 30 days exactly",
        lambda: faults.cron_job("find /var/log -type f -name '*.gz' -mtime +30 -print0 | xargs -0r rm -f"),
        ("CAP-STO-03",),
        lane="deleters",
    ),
    NearMiss(
        "a deleter of other folders",
        lambda: faults.cron_job(
            "SPOOL=/var/spool/tokenswap\nfind $SPOOL /backup/config -mtime +2 -delete; rm -rf /var/tmp/tokenswap.*"
        ),
        ("CAP-STO-03", "CAP-STO-05"),
        lane="deleters",
    ),
    NearMiss(
        "logrotate keeps 5 weeks",
        lambda: faults.all_of(faults.rotation("    daily\n", "    weekly\n"), faults.rotation("rotate 40", "rotate 5")),
        ("CAP-STO-03",),
        lane="deleters",
    ),
    NearMiss(
        "deletions in comments and in words",
        lambda: faults.chain_of_scripts(
            "# rm -rf /backup\n    echo 'nothing here: rm -rf /backup/database' # find -delete"
        ),
        ("CAP-STO-03", "CAP-STO-05"),
        lane="deleters",
    ),
    NearMiss(
        "a file that cron passes over",
        lambda: faults.cron_job("rm -rf /backup/database /var/log/tokenswap", "clean-up.disabled"),
        ("CAP-STO-03", "CAP-STO-05"),
        lane="deleters",
    ),
    NearMiss(
        "the log of day 31 is gone",
        lambda: faults.log_day_gone(31),
        ("CAP-STO-02-application",),
        lane="log-files",
    ),
    NearMiss(
        "a service that began two days ago",
        lambda: faults.young_logs(2),
        ("CAP-STO-02",),
        append=lambda: (
            '\n[[logs]]\nname = "young"\nrole = "files"\nhost = "node"\nfolder = "/srv/young-logs"\n'
            f"since = {faults.days_ago(2)}\n"
        ),
        lane="log-files",
    ),
    NearMiss(
        "the index lifecycle deletes after 31 days",
        lambda: faults.index_policy("31d"),
        ("CAP-STO-03-searchable",),
        lane="elasticsearch",
    ),
    NearMiss(
        "the index of day 31 is gone",
        lambda: faults.index_gone(31),
        ("CAP-STO-02-searchable",),
        lane="elasticsearch",
    ),
]
