"""Database: is PostgreSQL well, what does it do, and what makes it slow?"""

from __future__ import annotations

from roles.grafana.dashboards.kit import board, choice, figure, graph, high, listing, low

BASE = 'datname=~"$database"'
RATE = "[$__rate_interval]"
# Debian 12's exporter does not say what kind of number this is, Debian 13's does; the names are the same.
HITS = f"sum(rate(pg_stat_database_blks_hit{{{BASE}}}{RATE}))"
READS = f"sum(rate(pg_stat_database_blks_read{{{BASE}}}{RATE}))"
MINUTE = 60


def rate(name: str) -> str:
    return f"sum(rate({name}{{{BASE}}}{RATE}))"


def dashboard():
    return board(
        "aiko-database",
        "Database",
        "Is PostgreSQL well, what does it do, and what makes it slow?",
        [choice("database", "Database", 'label_values(pg_database_size_bytes{datname!~"template.*"}, datname)',
                "Databases of the server.")],
        {
            "Now": [
                figure("PostgreSQL", "Whether the exporter can log in and ask.", "min(pg_up)", present=True),
                figure("Connections", "Share of max_connections that is in use. At 1 the application is refused.",
                       "max(instance:pg_connections_used:ratio)", unit="percentunit", thresholds=high(0.7, 0.9)),
                figure("Cache hits", "Share of the pages found in shared_buffers; the rest came from the system's cache or the disk.",
                       "min(instance:pg_cache_hits:ratio_rate5m)", unit="percentunit", thresholds=low(0.99, 0.9)),
                figure("Size", "All databases together.", "sum(pg_database_size_bytes)", unit="bytes"),
                figure("Longest transaction", "Age of the oldest open transaction. Long ones keep locks, and vacuum from cleaning up.",
                       f"max(pg_stat_activity_max_tx_duration{{{BASE}}})", unit="s", thresholds=high(MINUTE, 5 * MINUTE)),
                figure("Deadlocks in an hour", "Transactions that were undone because they waited for each other.",
                       f"sum(increase(pg_stat_database_deadlocks{{{BASE}}}[1h]))", thresholds=high(1, 10), decimals=0),
            ],
            "Connections and work": [
                graph("Connections", "By state. 'idle in transaction' keeps locks and does nothing.", {
                    "{{state}}": f"sum by (state) (pg_stat_activity_count{{{BASE}}}) > 0",
                    "limit": "max(pg_settings_max_connections)",
                }),
                graph("Transactions", "Committed and rolled back in a second. Many rollbacks are errors of the application.", {
                    "committed": rate("pg_stat_database_xact_commit"),
                    "rolled back": rate("pg_stat_database_xact_rollback"),
                }, unit="ops"),
                graph("Rows read", "Rows that scans went over, and those that queries needed. Far apart, an index is missing.", {
                    "gone over": rate("pg_stat_database_tup_returned"),
                    "needed": rate("pg_stat_database_tup_fetched"),
                }, unit="ops"),
                graph("Rows written", "Rows that were inserted, updated and deleted in a second.", {
                    "inserted": rate("pg_stat_database_tup_inserted"),
                    "updated": rate("pg_stat_database_tup_updated"),
                    "deleted": rate("pg_stat_database_tup_deleted"),
                }, unit="ops"),
            ],
            "What makes it slow": [
                graph("Statements", "Statements in a second: the runs of the twenty that take the most time.",
                      {"statements": f"sum(rate(pg_top_statement_calls_total{{{BASE}}}{RATE}))"}, unit="ops", span=8),
                listing("Statements that take the most time", "Seconds of work in each second, over the chosen time; values are left out.",
                        f"topk(10, sum by (query) (rate(pg_top_statement_seconds_total{{{BASE}}}[$__range])))",
                        columns={"query": "Statement"}, value="Load", thresholds=high(0.25, 1), span=8),
                listing("Slowest statements", "Mean time of one run, over the chosen time.",
                        f"topk(10, sum by (query) (rate(pg_top_statement_seconds_total{{{BASE}}}[$__range]))"
                        f" / sum by (query) (rate(pg_top_statement_calls_total{{{BASE}}}[$__range])))",
                        columns={"query": "Statement"}, value="Time", unit="s", thresholds=high(0.1, 1), span=8),
                graph("Longest transaction", "Age of the oldest open transaction by state.",
                      {"{{state}}": f"max by (state) (pg_stat_activity_max_tx_duration{{{BASE}}})"}, unit="s",
                      thresholds=high(MINUTE, 5 * MINUTE), span=8),
                graph("Locks", "Locks that are held, by mode. Many exclusive ones and a falling rate of transactions are a queue.",
                      {"{{mode}}": f"sum by (mode) (pg_locks_count{{{BASE}}}) > 0"}, span=8),
                graph("Cache hits", "Share of the pages found in shared_buffers.", {"hits": f"{HITS} / ({HITS} + {READS})"},
                      unit="percentunit", thresholds=low(0.99, 0.9), top=1, span=8),
                graph("Time spent on files", "Seconds in each second that statements wait for data files.", {
                    "reading": f"{rate('pg_stat_database_blk_read_time')} / 1000",
                    "writing": f"{rate('pg_stat_database_blk_write_time')} / 1000",
                }, unit="percentunit", span=8),
                graph("Temporary files", "Bytes in a second that sorts and hashes wrote because work_mem was too small for them.",
                      {"written": rate("pg_stat_database_temp_bytes")}, unit="Bps", span=8),
                graph("Buffers", "Pages that were newly taken into shared_buffers in a second: how fast its content changes.",
                      {"{{instance}}": f"rate(pg_stat_bgwriter_buffers_alloc_total{RATE})"}, unit="ops", span=8),
            ],
            "Growth": [
                graph("Size", "Each database on disk, with its indexes.",
                      {"{{datname}}": f"pg_database_size_bytes{{{BASE}}}"}, unit="bytes"),
                graph("Exporter", "Time that the exporter takes to ask. It grows with the number of tables and of locks.",
                      {"{{instance}}": "max by (instance) (pg_exporter_last_scrape_duration_seconds)"}, unit="s", thresholds=high(1, 5)),
            ],
        },
    )
