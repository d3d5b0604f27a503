"""A tree of routes with all that matters, and where alerts go; the lab holds the same against Alertmanager's amtool."""

CONFIGURATION = r"""
global: {resolve_timeout: 5m}
route:
  receiver: default
  group_by: [alertname]
  group_wait: 20s
  routes:
    - matchers: ['severity="critical"', 'team=~"db|cache"']
      receiver: dba
      group_wait: 45s
      routes:
        - match: {service: postgres}
          receiver: dba-pager
          repeat_interval: 12h
          routes:
            - match_re: {instance: "pg-[0-9]+"}
              group_by: ['...']
    - matchers: [severity="critical"]
      receiver: pager
      continue: true
      group_by: [alertname, cluster]
    - matchers: ['{severity=~"critical|warning", quiet!="yes", team!~"test.*"}']
      receiver: chat
      mute_time_intervals: [nights]
    - matchers: ['note="say \"a, b\" \\ c"']
      receiver: quoted
    - matchers: [empty=""]
      match: {absent: ""}
      match_re: {severity: "in.o"}
      receiver: info
mute_time_intervals: [{name: nights, time_intervals: [{times: [{start_time: "00:00", end_time: "06:00"}]}]}]
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_match_re: {severity: "warning|info"}
    equal: [cluster, service]
receivers:
  - {name: default}
  - {name: dba}
  - {name: dba-pager, webhook_configs: [{url: "http://127.0.0.1:1/"}]}
  - {name: pager, webhook_configs: [{url: "http://127.0.0.1:1/"}], email_configs: []}
  - {name: chat}
  - {name: quoted}
  - {name: info}
"""

# The labels of an alert, and its receivers.
ROUTES: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["default"]),
    ({"severity": "critical"}, ["pager", "chat"]),
    ({"severity": "critical", "quiet": "yes"}, ["pager"]),
    ({"severity": "critical", "team": "db"}, ["dba"]),
    ({"severity": "critical", "team": "dbs"}, ["pager", "chat"]),  # a regular expression matches all of a value
    ({"severity": "critical", "team": "cache", "service": "postgres"}, ["dba-pager"]),
    ({"severity": "critical", "team": "db", "service": "postgres", "instance": "pg-12"}, ["dba-pager"]),
    ({"severity": "warning"}, ["chat"]),
    ({"severity": "warning", "team": "test-1"}, ["default"]),
    ({"severity": "critical", "team": "testing"}, ["pager"]),
    ({"severity": "info"}, ["info"]),
    ({"severity": "info", "absent": "no"}, ["default"]),
    ({"note": 'say "a, b" \\ c'}, ["quoted"]),
]
