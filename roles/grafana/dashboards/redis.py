"""Redis: does the cache help, and is the durable instance far from its limit?"""

from __future__ import annotations

from roles.grafana.dashboards.kit import board, choice, figure, graph, high, low

STORE = 'store=~"$store"'
RATE = "[$__rate_interval]"
USE = f"instance_store:redis_memory_used:ratio{{{STORE}}}"


def rate(name: str) -> str:
    return f"sum by (store) (rate({name}{{{STORE}}}{RATE}))"


def dashboard():
    return board(
        "aiko-redis",
        "Redis",
        "Does the cache help, and is the durable instance far from its limit?",
        [choice("store", "Instance", "label_values(redis_up, store)",
                "cache may forget; queue must not, it has tasks, sessions and limits.")],
        {
            "Now": [
                figure("Redis", "Whether every instance answers the exporter.", f"min(redis_up{{{STORE}}})", present=True),
                figure("Memory", "Share of maxmemory in use, of the fuller instance. Full, the cache evicts, the durable one refuses.",
                       f"max({USE})", unit="percentunit", thresholds=high(0.8, 0.95)),
                figure("Cache hits", "Share of the reads that found their key in the cache.",
                       'min(instance_store:redis_hits:ratio_rate5m{store="cache"})',
                       unit="percentunit", thresholds=low(0.8, 0.5)),
                figure("Evicted in an hour", "Keys that went because memory was full. On the durable instance this must be 0.",
                       f"sum(increase(redis_evicted_keys_total{{{STORE}}}[1h]))", thresholds=high(1, 10000), decimals=0),
                figure("Clients", "Connections of both instances.", f"sum(redis_connected_clients{{{STORE}}})", decimals=0),
                figure("Append-only file", "Whether the last write to it went well. Otherwise a restart loses data.",
                       f"min(redis_aof_last_write_status{{{STORE}}})", present=True),
            ],
            "Memory": [
                graph("Memory", "What the data takes, what the process takes from the system, and the limit.", {
                    "{{store}} data": f"redis_memory_used_bytes{{{STORE}}}",
                    "{{store}} process": f"redis_memory_used_rss_bytes{{{STORE}}}",
                    "{{store}} limit": f"redis_memory_max_bytes{{{STORE}}}",
                }, unit="bytes"),
                graph("Share of the limit", "At 1 the cache evicts and the durable instance refuses to write.", {"{{store}}": USE},
                      unit="percentunit", thresholds=high(0.8, 0.95), top=1),
                graph("Keys that went", "Evicted because memory was full, and expired because their time was up, in a second.", {
                    "{{store}} evicted": rate("redis_evicted_keys_total"),
                    "{{store}} expired": rate("redis_expired_keys_total"),
                }, unit="ops"),
                graph("Keys", "By database number; on the durable instance 0 is the queue, 2 are sessions, 3 are the rate limits.",
                      {"{{store}} {{db}}": f"redis_db_keys{{{STORE}}} > 0"}),
            ],
            "Work": [
                graph("Hit ratio", "Share of the reads that found their key.",
                      {"{{store}}": f"instance_store:redis_hits:ratio_rate5m{{{STORE}}}"},
                      unit="percentunit", top=1, span=8),
                graph("Commands", "The eight most frequent commands, in a second.",
                      {"{{cmd}}": f"topk(8, sum by (cmd) (rate(redis_commands_total{{{STORE}}}{RATE})))"}, unit="ops", stacked=True,
                      span=8),
                graph("Time of a command", "Mean time of the commands that take the most; those that wait on purpose are left out.", {
                    "{{cmd}}": f'topk(8, sum by (cmd) (rate(redis_commands_duration_seconds_total{{{STORE}, cmd!~"b.*pop.*"}}{RATE}))'
                               f' / (sum by (cmd) (rate(redis_commands_total{{{STORE}, cmd!~"b.*pop.*"}}{RATE})) > 0))',
                }, unit="s", thresholds=high(0.001, 0.01), span=8),
                graph("Clients", "Connections; blocked ones wait for a task, as idle workers do.", {
                    "{{store}} connected": f"redis_connected_clients{{{STORE}}}",
                    "{{store}} blocked": f"redis_blocked_clients{{{STORE}}}",
                }, span=8),
                graph("Refused", "Connections beyond maxclients, and commands answered with an error, in a second.", {
                    "{{store}} connections": rate("redis_rejected_connections_total"),
                    "{{store}} errors": rate("redis_total_error_replies"),
                }, unit="ops", thresholds=high(1, 10), span=8),
                graph("CPU", "Processors that Redis keeps busy; one instance uses one at most.",
                      {"{{store}}": f"{rate('redis_cpu_user_seconds_total')} + {rate('redis_cpu_sys_seconds_total')}"},
                      unit="percentunit", thresholds=high(0.7, 0.9), span=8),
            ],
            "Network and file": [
                graph("Network", "Bytes in a second from and to clients.", {
                    "{{store}} received": rate("redis_net_input_bytes_total"),
                    "{{store}} sent": rate("redis_net_output_bytes_total"),
                }, unit="Bps"),
                graph("Up for", "Time since each instance started. A step to 0 was a restart.",
                      {"{{store}}": f"redis_uptime_in_seconds{{{STORE}}}"}, unit="s"),
            ],
        },
    )
