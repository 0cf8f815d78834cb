"""System Overview: is everything there, and have the machines room left?"""

from __future__ import annotations

from roles.grafana.dashboards.kit import bars, board, choice, figure, graph, high, listing, low, states

HOST = 'instance=~"$host"'
HOUR = 3600
DAY = 24 * HOUR


def dashboard():
    return board(
        "aiko-system",
        "System Overview",
        "Is everything there, and have the machines room left?",
        [choice("host", "Host", "label_values(node_uname_info, instance)", "Hosts of the platform by their names in the inventory.")],
        {
            "Is everything there?": [
                figure("Targets down", "Things that Prometheus cannot ask. What cannot be asked cannot be judged either.",
                       "count(up) - sum(up)", thresholds=high(1, 1), decimals=0),
                figure("Site", "Whether the site answers over https as a visitor would ask it, at every proxy.",
                       "min(probe_success)", present=True, leads_to="aiko-backend"),
                figure("Certificate ends in", "Time until the first of the certificates that visitors see expires.",
                       "min(probe_ssl_earliest_cert_expiry) - time()", unit="s", thresholds=low(21 * DAY, 7 * DAY)),
                figure("Failed units", "Units that systemd has given up on; see them with: systemctl --failed",
                       'sum(node_systemd_unit_state{state="failed"})', thresholds=high(1, 1), decimals=0),
                figure("Alerts firing", "Alerts that somebody shall act upon. No value at all means that no rule is judged.",
                       'count(ALERTS{alertstate="firing", severity!="none"}) or 0 * count(ALERTS{alertname="Watchdog"})',
                       thresholds=high(1, 1), decimals=0),
                figure("Restarts in an hour", "Services that systemd started anew because they had ended by themselves.",
                       "sum(increase(node_systemd_service_restart_total[1h]))", thresholds=high(1, 5), decimals=0),
                states("Services", "Who was up when. A database is up when it lets us log in; its exporter being there says nothing.", {
                    "{{path}} at {{instance}}": "probe_success",
                    "nginx on {{instance}}": "nginx_up",
                    "backend on {{instance}}": 'up{job="backend"}',
                    "workers {{pool}} on {{instance}}": 'up{job="celery"}',
                    "database on {{instance}}": "pg_up",
                    "redis {{store}} on {{instance}}": "redis_up",
                    "host {{instance}}": 'up{job="node"}',
                    "prometheus on {{instance}}": 'up{job="prometheus"}',
                    "alertmanager on {{instance}}": 'up{job="alertmanager"}',
                }),
            ],
            "Machines": [
                graph("CPU", "Share of the processors' time that is used. Above 90 % for long, everything waits for everything.",
                      {"{{instance}}": f"instance:node_cpu_used:ratio_rate5m{{{HOST}}}"},
                      unit="percentunit", thresholds=high(0.7, 0.9), top=1, span=8),
                graph("Memory", "Share of the memory that programs cannot get any more. Page cache can be given back and does not count.",
                      {"{{instance}}": f"instance:node_memory_used:ratio{{{HOST}}}"},
                      unit="percentunit", thresholds=high(0.8, 0.9), top=1, span=8),
                graph("Load for each processor", "Processes that run or wait to run, per processor. Above 1 some of them wait.",
                      {"{{instance}}": f"node_load5{{{HOST}}} / on (instance) group_left "
                                       f'count by (instance) (node_cpu_seconds_total{{{HOST}, mode="idle"}})'},
                      thresholds=high(1, 2), span=8),
                graph("Time that work stands still", "Share of the time in which something waited for processor, memory or disk "
                      "(the kernel's pressure stall information): what load and use do not tell.", {
                          "{{instance}} processor": f"rate(node_pressure_cpu_waiting_seconds_total{{{HOST}}}[$__rate_interval])",
                          "{{instance}} memory": f"rate(node_pressure_memory_waiting_seconds_total{{{HOST}}}[$__rate_interval])",
                          "{{instance}} disk": f"rate(node_pressure_io_waiting_seconds_total{{{HOST}}}[$__rate_interval])",
                      }, unit="percentunit", thresholds=high(0.25, 0.5)),
                bars("Disks", "Share of each file system that is used. Full, PostgreSQL and Redis stop writing.",
                     {"{{instance}} {{mountpoint}}": f"instance_mountpoint:node_filesystem_used:ratio{{{HOST}}}"},
                     unit="percentunit", thresholds=high(0.8, 0.9), top=1),
                graph("Disk throughput", "Bytes read from and written to each disk.", {
                    "{{instance}} {{device}} read": f"rate(node_disk_read_bytes_total{{{HOST}}}[$__rate_interval])",
                    "{{instance}} {{device}} written": f"rate(node_disk_written_bytes_total{{{HOST}}}[$__rate_interval])",
                }, unit="Bps", span=8),
                graph("Disk busy", "Share of the time in which each disk had work. Near 1 it is what everything waits for.",
                      {"{{instance}} {{device}}": f"rate(node_disk_io_time_seconds_total{{{HOST}}}[$__rate_interval])"},
                      unit="percentunit", thresholds=high(0.7, 0.9), top=1, span=8),
                graph("Network", "Bytes received and sent on each interface, loopback left out.", {
                    "{{instance}} {{device}} received": f"rate(node_network_receive_bytes_total{{{HOST}}}[$__rate_interval])",
                    "{{instance}} {{device}} sent": f"rate(node_network_transmit_bytes_total{{{HOST}}}[$__rate_interval])",
                }, unit="Bps", span=8),
            ],
            # No data where no host is in the group `backup`.
            "Backups": [
                figure("Last backup", "Time since the last good backup was begun. What happened since is in the archived log alone.",
                       "time() - max(backup_last_success_timestamp_seconds > 0)", unit="s", thresholds=high(26 * HOUR, 50 * HOUR)),
                figure("Last trial restore", "Time since a backup was last restored on trial and found right.",
                       "time() - max(backup_last_verified_timestamp_seconds > 0)", unit="s", thresholds=high(8 * DAY, 15 * DAY)),
                figure("Backups", "Complete ones in the repository.", "sum(backup_sets)", thresholds=low(2, 1), decimals=0),
                figure("Newest proven", "Age of the newest backup that was restored on trial: the one to trust.",
                       "time() - max(backup_newest_proven_timestamp_seconds > 0)", unit="s", thresholds=high(9 * DAY, 16 * DAY)),
                figure("Room", "What is free on the repository's disk, as multiples of the margin below which no backup is begun.",
                       "min(backup_repository_free_bytes / backup_repository_margin_bytes)", thresholds=low(2, 1), decimals=1),
                figure("Last log archived", "Time since PostgreSQL last handed on its write-ahead log: what a lost host would cost. "
                       "It also grows while nothing is written.", "max(pg_stat_archiver_last_archive_age)", unit="s"),
                graph("What is backed up", "Size of each part in the last backup, before compression. A fall is a loss, or was meant.",
                      {"{{part}}": "backup_size_bytes"}, unit="bytes", span=6),
                graph("Repository", "What all backups together take on disk, compressed: database with its log, and files.",
                      {"{{store}}": "backup_repository_bytes"}, unit="bytes", stacked=True, span=6),
                graph("Time it takes", "How long the last backup and the last trial restore took.", {
                    "backup": "max(backup_last_duration_seconds)",
                    "trial restore": "max(backup_last_verify_duration_seconds)",
                }, unit="s", span=6),
                graph("Log archived", "Segments of PostgreSQL's write-ahead log in a second. Failed ones are tried again until "
                      "they get through.", {
                    "{{instance}} archived": "rate(pg_stat_archiver_archived_count[$__rate_interval])",
                    "{{instance}} failed": "rate(pg_stat_archiver_failed_count[$__rate_interval])",
                }, unit="ops", span=6),
            ],
            "The watch itself": [
                listing("Alerts", "What fires now. Watchdog always does: it shows that rules are judged.",
                        'max by (alertname, severity, instance) (ALERTS{alertstate="firing"})',
                        columns={"alertname": "Alert", "severity": "Severity", "instance": "Where"}, value="Firing", span=8),
                graph("Alertmanager's messages", "Messages to people and those that failed; a failed one is an alert that nobody reads.", {
                    "{{integration}} sent": "sum by (integration) (increase(alertmanager_notifications_total[1h]))",
                    "{{integration}} failed": "sum by (integration) (increase(alertmanager_notifications_failed_total[1h]))",
                }, span=8),
                graph("Slowest answers to Prometheus", "Time that the slowest target of each job takes to tell its metrics.",
                      {"{{job}}": "max by (job) (scrape_duration_seconds)"}, unit="s", thresholds=high(1, 5), span=8),
                graph("Series", "Time series in Prometheus' memory. A steep rise is a label that should not be one.",
                      {"{{instance}}": "prometheus_tsdb_head_series"}),
                graph("Samples", "Samples that Prometheus takes in.",
                      {"{{instance}}": "rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval])"}, unit="cps"),
            ],
        },
    )
