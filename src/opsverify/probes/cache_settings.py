"""The configuration of a Redis server, parameter by parameter: never by a pattern, and never a secret one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from opsverify.channels.cache import CacheChannel
from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about
from opsverify.probes.caches import parse_info, users

# By the source of Redis 6.2 to 8; a server leaves out of its answer what it does not know.
PARAMETERS = tuple(
    """
    acl-pubsub-default aclfile acllog-max-len active-defrag-cycle-max active-defrag-cycle-min
    active-defrag-ignore-bytes active-defrag-max-scan-fields active-defrag-threshold-lower
    active-defrag-threshold-upper active-expire-effort activedefrag activerehashing always-show-logo
    aof-disable-auto-gc aof-load-corrupt-tail-max-size aof-load-truncated aof-rewrite-cpulist
    aof-rewrite-incremental-fsync aof-timestamp-enabled aof-use-rdb-preamble appenddirname appendfilename appendfsync
    appendonly auto-aof-rewrite-min-size auto-aof-rewrite-percentage bgsave-cpulist bind bind-source-addr bio-cpulist
    busy-reply-threshold client-output-buffer-limit client-query-buffer-limit cluster-allow-pubsubshard-when-down
    cluster-allow-reads-when-down cluster-allow-replica-migration cluster-announce-bus-port
    cluster-announce-hostname cluster-announce-human-nodename cluster-announce-ip cluster-announce-port
    cluster-announce-tls-port cluster-config-file cluster-enabled cluster-link-sendbuf-limit cluster-migration-barrier
    cluster-node-timeout cluster-port cluster-preferred-endpoint-type cluster-replica-no-failover
    cluster-replica-validity-factor cluster-require-full-coverage crash-log-enabled crash-memcheck-enabled daemonize
    databases dbfilename dir disable-thp dynamic-hz enable-debug-command enable-module-command
    enable-protected-configs hash-max-listpack-entries hash-max-listpack-value hll-sparse-max-bytes hz ignore-warnings
    io-threads io-threads-do-reads jemalloc-bg-thread key-load-delay latency-monitor-threshold latency-tracking
    latency-tracking-info-percentiles lazyfree-lazy-eviction lazyfree-lazy-expire lazyfree-lazy-server-del
    lazyfree-lazy-user-del lazyfree-lazy-user-flush lfu-decay-time lfu-log-factor list-compress-depth
    list-max-listpack-size loading-process-events-interval-bytes locale-collate logfile loglevel lookahead
    max-new-connections-per-cycle max-new-tls-connections-per-cycle maxclients maxmemory maxmemory-clients
    maxmemory-eviction-tenacity maxmemory-policy maxmemory-samples min-replicas-max-lag min-replicas-to-write
    no-appendfsync-on-rewrite notify-keyspace-events oom-score-adj oom-score-adj-values pidfile port
    proc-title-template propagation-error-behavior protected-mode proto-max-bulk-len rdb-del-sync-files
    rdb-key-save-delay rdb-save-incremental-fsync rdbchecksum rdbcompression repl-backlog-size repl-backlog-ttl
    repl-disable-tcp-nodelay repl-diskless-load repl-diskless-sync repl-diskless-sync-delay
    repl-diskless-sync-max-replicas repl-diskless-sync-period repl-ping-replica-period repl-timeout
    replica-announce-ip replica-announce-port replica-announced replica-full-sync-buffer-limit
    replica-ignore-disk-write-errors replica-ignore-maxmemory replica-lazy-flush replica-priority replica-read-only
    replica-serve-stale-data replicaof sanitize-dump-payload save server-cpulist set-max-intset-entries
    set-max-listpack-entries set-max-listpack-value set-proc-title shutdown-on-sigint shutdown-on-sigterm
    shutdown-timeout slowlog-log-slower-than slowlog-max-len socket-mark-id stop-writes-on-bgsave-error
    stream-node-max-bytes stream-node-max-entries supervised syslog-enabled syslog-facility syslog-ident tcp-backlog
    tcp-keepalive timeout tls-auth-clients tls-auth-clients-user tls-ca-cert-dir tls-ca-cert-file tls-cert-file
    tls-ciphers tls-ciphersuites tls-client-cert-file tls-client-key-file tls-cluster tls-dh-params-file tls-key-file
    tls-port tls-prefer-server-ciphers tls-protocols tls-replication tls-session-cache-size
    tls-session-cache-timeout tls-session-caching tracking-table-max-keys unixsocket unixsocketperm use-exit-on-panic
    watchdog-period zset-max-listpack-entries zset-max-listpack-value
    """.split()  # noqa: SIM905
)
# What some of them are called before Redis 7.
FORMER = tuple(
    """
    gopher-enabled hash-max-ziplist-entries hash-max-ziplist-value list-max-ziplist-size lua-time-limit
    zset-max-ziplist-entries zset-max-ziplist-value
    """.split()  # noqa: SIM905
)
AT_ONCE = 60
TOLD_BY_INFO = ("redis_mode", "role", "maxmemory", "maxmemory_policy", "aof_enabled", "maxclients", "cluster_enabled")
# Of what is kept in the configuration file, these may not be asked of the server: it would tell them.
SECRETS = ("masterauth", "tls-key-file-pass", "tls-client-key-file-pass")


def settings(cache: CacheChannel) -> dict[str, str]:
    """The server's version, and its parameters in force by name; where a provider manages it, what INFO tells."""
    with about(f"cache {cache.target}"):
        info = parse_info(cache.ask("INFO"))
        version = info.get("redis_version", "")
        if not re.match(r"[0-9]{1,4}\.", version):
            raise UnansweredError(f"INFO: no redis_version (got {version[:100]!r})")
        if cache.spec.managed:
            return {"version": version, **{name: info[name] for name in TOLD_BY_INFO if name in info}}
        return {"version": version, **_parameters(cache, int(version.partition(".")[0]))}


def _parameters(cache: CacheChannel, major: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for names in _questions(major):
        found |= parse_parameters(names, cache.ask("CONFIG", "GET", *names))
    if not found:
        raise UnansweredError("CONFIG GET knows no parameter of Redis")
    return found


def _questions(major: int) -> Iterator[Sequence[str]]:
    """Names, as many as this version takes in one question."""
    if major < 7:
        yield from ((each,) for each in (*PARAMETERS, *FORMER))
    else:
        yield from (PARAMETERS[start : start + AT_ONCE] for start in range(0, len(PARAMETERS), AT_ONCE))


def parse_parameters(asked: Sequence[str], answer: object) -> dict[str, str]:
    """Parse the answer to CONFIG GET: names and values in turn.

    Raises:
        UnansweredError: it is no such list, or has a name that was not asked for.
    """
    if not isinstance(answer, list) or len(answer) % 2 or not all(isinstance(each, str) for each in answer):
        raise UnansweredError(f"CONFIG GET: this is not understood: {str(answer)[:100]!r}")
    found = dict(zip(answer[::2], answer[1::2], strict=True))
    if strange := sorted(set(found) - set(asked)):
        raise UnansweredError(f"CONFIG GET: {strange[0][:100]!r} was not asked for")
    return found


def accounts(cache: CacheChannel) -> dict[str, str]:
    """Which ACL users there are, and whether a password is required of strangers; neither rules nor passwords."""
    found = users(cache)
    words = found.get("default", "").split()
    required = any(each.startswith("#") for each in words)
    return {"requirepass": "set" if required else "not set", **{f"user {name}": "set" for name in found}}


def secrets(host: Host, path: str) -> dict[str, str]:
    """Whether the configuration file sets each of `SECRETS`: lines are counted on the host, and none is shown."""
    return {name: "set" if _lines(host, path, name) else "not set" for name in SECRETS}


def _lines(host: Host, path: str, name: str) -> int:
    line = rf"""^[[:space:]]*{name}[[:space:]]+("[^"]|'[^']|[^"'[:space:]])"""
    counted = host.run(shlex.join(["grep", "-ciE", "-e", line, "--", path]))
    if counted.rc not in (0, 1) or not re.fullmatch(r"[0-9]{1,9}", counted.stdout.strip()):
        raise UnansweredError(
            f"host {host.name}: {path} cannot be searched for {name}: {counted.stderr.strip() or 'no reason given'}"
        )
    return int(counted.stdout)
