"""Real faults for the lab, and near misses: each a context manager that breaks something and heals it again.

Only tests use this; no check can reach it.
"""

from lab.faults.api import FAULT_SWITCH, api_misbehaves
from lab.faults.backups import newest_dump_replaced, stored_file
from lab.faults.cache import (
    REDIS_CONF,
    cache_full,
    dangerous_user,
    flush_refused,
    flushed,
    redis,
    redis_setting,
)
from lab.faults.core import all_of, file_edited, is_healthy, wait_healthy, wait_until
from lab.faults.database import (
    cold_reads,
    counters_off,
    extension_dropped,
    invalid_index,
    many_calls,
    replay_paused,
    session,
    slow_statement,
    sql,
    sql_change,
    stale_statistics,
)
from lab.faults.documents import document, document_gone
from lab.faults.host import (
    api_port_wide,
    data_disk_filled,
    file_saved,
    firewall,
    inodes_used_up,
    listening,
    memory_available,
    memory_taken,
    on_node,
    run_aged,
    run_failed,
)
from lab.faults.outside import (
    cut_off,
    no_mail,
    stand_in,
    stand_in_certificate,
)
from lab.faults.prometheus import forget, remember
from lab.faults.services import (
    ONE_OFF,
    memory_hoarded,
    one_shot,
    paused,
    published,
    restart_policy,
    restarted_by_crash,
    stopped,
    twin,
)
from lab.faults.tls import NGINX_CONF, certificate, nginx_edited

__all__ = [
    "FAULT_SWITCH",
    "NGINX_CONF",
    "ONE_OFF",
    "REDIS_CONF",
    "all_of",
    "api_misbehaves",
    "api_port_wide",
    "cache_full",
    "certificate",
    "cold_reads",
    "counters_off",
    "cut_off",
    "dangerous_user",
    "data_disk_filled",
    "document",
    "document_gone",
    "extension_dropped",
    "file_edited",
    "file_saved",
    "firewall",
    "flush_refused",
    "flushed",
    "forget",
    "inodes_used_up",
    "invalid_index",
    "is_healthy",
    "listening",
    "many_calls",
    "memory_available",
    "memory_hoarded",
    "memory_taken",
    "newest_dump_replaced",
    "nginx_edited",
    "no_mail",
    "on_node",
    "one_shot",
    "paused",
    "published",
    "redis",
    "redis_setting",
    "remember",
    "replay_paused",
    "restart_policy",
    "restarted_by_crash",
    "run_aged",
    "run_failed",
    "session",
    "slow_statement",
    "sql",
    "sql_change",
    "stale_statistics",
    "stand_in",
    "stand_in_certificate",
    "stopped",
    "stored_file",
    "twin",
    "wait_healthy",
    "wait_until",
]
