"""Celery: are tasks done, how long do they wait, and are workers and beat alive?"""

from __future__ import annotations

from roles.grafana.dashboards.kit import board, choice, figure, graph, high, listing, low

QUEUE = 'queue=~"$queue"'
RATE = "[$__rate_interval]"
RUNS = f"sum(rate(celery_task_total{{{QUEUE}}}{RATE}))"
WAITING = f"queue:celery_queue_length:max{{{QUEUE}}}"
MINUTE = 60


def quantile(share: float) -> str:
    return f"histogram_quantile({share}, sum by (queue, le) (rate(celery_task_duration_seconds_bucket{{{QUEUE}}}{RATE})))"


def dashboard():
    return board(
        "aiko-celery",
        "Celery",
        "Are tasks done, how long do they wait, and are workers and beat alive?",
        [choice("queue", "Queue", "label_values(celery_queue_length, queue)", "Queues: default, ai_tasks for long ones, priority.")],
        {
            "Now": [
                figure("Pools", "Worker pools that answer.", 'sum(up{job="celery"})', thresholds=low(1, 1), decimals=0),
                figure("Waiting", "Tasks that no worker has taken yet.", f"sum({WAITING})", thresholds=high(100, 1000), decimals=0),
                figure("In hand", "Tasks that workers took and have not finished; those of a lost worker stay until they are given back.",
                       "max(celery_queue_unacked)", decimals=0),
                figure("Tasks", "Tasks that end in a second.", RUNS, unit="ops", decimals=2),
                figure("Failures", "Share of the task runs that failed or ran out of time, in the worst queue.",
                       f"max(queue:celery_task_failures:ratio_rate5m{{{QUEUE}}})", unit="percentunit", thresholds=high(0.01, 0.05)),
                figure("Beat was here", "Time since beat last sent a task. It sends one at least every few minutes.",
                       "time() - max(celery_beat_last_run_timestamp_seconds)", unit="s", thresholds=high(5 * MINUTE, 15 * MINUTE)),
            ],
            "Queues": [
                graph("Queue length", "Tasks that wait, by queue. One that only grows has no worker, or too few.", {"{{queue}}": WAITING},
                      thresholds=high(100, 1000)),
                graph("Tasks by state", "How task runs end. LOST and REJECTED ones went back to the queue.",
                      {"{{state}}": f"sum by (state) (rate(celery_task_total{{{QUEUE}}}{RATE}))"}, unit="ops", stacked=True),
                graph("Duration", "Run time of half and of 95 of 100 tasks, by queue; waiting is not in it.",
                      {"{{queue}} 50 %": quantile(0.5), "{{queue}} 95 %": quantile(0.95)}, unit="s"),
                graph("Work in progress", "Mean number of tasks that ran at the same time. At a pool's concurrency it cannot do more.",
                      {"{{queue}}": f"sum by (queue) (rate(celery_task_duration_seconds_sum{{{QUEUE}}}{RATE}))"}),
            ],
            "Tasks": [
                listing("Most frequent", "Tasks by runs, over the chosen time.",
                        f"topk(15, sum by (task, state) (rate(celery_task_total{{{QUEUE}}}[$__range])))",
                        columns={"task": "Task", "state": "State"}, value="Runs", unit="ops"),
                listing("Longest", "Mean run time, over the chosen time.",
                        f"topk(15, sum by (task) (rate(celery_task_duration_seconds_sum{{{QUEUE}}}[$__range]))"
                        f" / sum by (task) (rate(celery_task_duration_seconds_count{{{QUEUE}}}[$__range])))",
                        columns={"task": "Task"}, value="Time", unit="s"),
            ],
            "Workers": [
                graph("Heartbeat", "Time since each pool's main loop was last alive. One that rises hangs, even if it still answers.",
                      {"{{pool}} on {{instance}}": "time() - max by (pool, instance) (celery_worker_heartbeat_timestamp_seconds)"},
                      unit="s", thresholds=high(MINUTE, 3 * MINUTE), span=8),
                graph("Running tasks", "Tasks that each pool runs at this moment.",
                      {"{{pool}} on {{instance}}": "sum by (pool, instance) (celery_worker_tasks_active)"}, span=8),
                graph("Beat", "Time since beat last sent a task.", {"beat": "time() - max(celery_beat_last_run_timestamp_seconds)"},
                      unit="s", thresholds=high(5 * MINUTE, 15 * MINUTE), span=8),
                graph("CPU", "Processors that each pool and all its children keep busy.",
                      {"{{pool}} on {{instance}}": f'rate(process_cpu_seconds_total{{job="celery"}}{RATE})'}),
                graph("Memory", "Resident memory of each pool and all its children; pages that they share count for each of them.",
                      {"{{pool}} on {{instance}}": 'process_resident_memory_bytes{job="celery"}'}, unit="bytes"),
            ],
        },
    )
