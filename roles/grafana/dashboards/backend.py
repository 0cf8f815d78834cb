"""Backend Performance: how fast does the site answer, and how often does it fail?"""

from __future__ import annotations

from roles.grafana.dashboards.kit import bars, board, choice, figure, graph, high, listing

HOST = 'instance=~"$host"'
RATE = "[$__rate_interval]"
ALL = f"sum(rate(http_request_total{{{HOST}}}{RATE}))"
# Without an error there is no series of errors: that is 0 of them, as long as there are requests.
ERRORS = f'(sum(rate(http_request_total{{{HOST}, status=~"5.."}}{RATE})) or 0 * {ALL}) / {ALL}'


def quantile(share: float, by: str = "", interval: str = RATE) -> str:
    labels = ", ".join(filter(None, ["le", by]))
    return f"histogram_quantile({share}, sum by ({labels}) (rate(http_request_duration_seconds_bucket{{{HOST}}}{interval})))"


def dashboard():
    return board(
        "aiko-backend",
        "Backend Performance",
        "How fast does the site answer, and how often does it fail?",
        [choice("host", "Backend", 'label_values(up{job="backend"}, instance)', "Hosts that run the backend.")],
        {
            "Now": [
                figure("Requests", "Requests that all backends answer in a second, health checks left out.",
                       "sum(job:http_requests:rate5m)", unit="reqps", decimals=1),
                figure("Errors", "Share of them that end in a 5xx status: the server's fault, whatever the client asked.",
                       "max(job:http_request_errors:ratio_rate5m)", unit="percentunit", thresholds=high(0.001, 0.01)),
                figure("Median", "Half of them are answered within this time.",
                       "max(job:http_request_duration_seconds:p50_5m)", unit="s", thresholds=high(0.25, 1)),
                figure("95 %", "95 of 100 of them are answered within this time.",
                       "max(job:http_request_duration_seconds:p95_5m)", unit="s", thresholds=high(0.5, 1)),
                figure("Connections", "Connections that nginx has open, idle ones among them.",
                       "sum(nginx_connections_active)", decimals=0),
                figure("Release", "The release that serves. Two of them at once for longer than a switch takes are a switch that hangs.",
                       'max by (release) (aiko_release_info{part="backend"})', legend="{{release}}", text="name"),
            ],
            "Requests": [
                graph("Requests by status", "Answers in a second by their status: 4xx is what clients do wrong, 429 are the rate limits.",
                      {"{{status}}": f"sum by (status) (rate(http_request_total{{{HOST}}}{RATE}))"}, unit="reqps", stacked=True),
                graph("Time to answer", "Half, 95 and 99 of 100 requests are answered within these times.",
                      {"50 %": quantile(0.5), "95 %": quantile(0.95), "99 %": quantile(0.99)}, unit="s", thresholds=high(0.5, 1)),
                graph("Errors", "Share of the requests that end in a 5xx status.", {"errors": ERRORS}, unit="percentunit",
                      thresholds=high(0.001, 0.01), span=8),
                graph("How fast the budget is used", "Errors and slow requests, as multiples of what the objectives allow. At 1 the "
                      "month's budget lasts a month; 14.4 for an hour wakes somebody (docs/runbooks/ErrorBudgetBurnFast.md).", {
                          "errors, 1 h": "job:http_request_errors:ratio_rate1h / scalar(slo:http_request_errors:budget)",
                          "errors, 6 h": "job:http_request_errors:ratio_rate6h / scalar(slo:http_request_errors:budget)",
                          "slow, 1 h": "job:http_requests_slow:ratio_rate1h / scalar(slo:http_requests_slow:budget)",
                          "slow, 6 h": "job:http_requests_slow:ratio_rate6h / scalar(slo:http_requests_slow:budget)",
                      }, thresholds=high(1, 14.4), span=8),
                bars("Requests that ended in an exception", "By route, over the chosen time: faults of ours, or a database or Redis away.",
                     {"{{method}} {{route}}": f"sum by (method, route) (increase(http_request_exceptions_total{{{HOST}}}[$__range]))"},
                     thresholds=high(1, 10), empty="none", span=8),
            ],
            "Routes": [
                listing("Busiest", "Routes by requests, over the chosen time.",
                        f"topk(15, sum by (method, route) (rate(http_request_total{{{HOST}}}[$__range])))",
                        columns={"method": "Method", "route": "Route"}, value="Requests", unit="reqps"),
                listing("Slowest", "Routes by the time within which 95 of 100 of their requests are answered, over the chosen time.",
                        f"topk(15, {quantile(0.95, 'route', '[$__range]')})",
                        columns={"route": "Route"}, value="95 %", unit="s", thresholds=high(0.5, 1)),
            ],
            "Connections": [
                graph("nginx", "Connections by what they do. Many that wait are idle clients; many that write are a slow backend.", {
                    "{{instance}} active": "nginx_connections_active",
                    "{{instance}} reading": "nginx_connections_reading",
                    "{{instance}} writing": "nginx_connections_writing",
                    "{{instance}} waiting": "nginx_connections_waiting",
                }, span=8),
                graph("Requests at nginx", "All that reaches the door, also what never gets to the backend: files, redirects, refusals.",
                      {"{{instance}}": f"rate(nginx_http_requests_total{RATE})"}, unit="reqps", span=8),
                graph("Connections that nginx dropped", "Accepted but not handled: out of connections or files. Should be 0.",
                      {"{{instance}}": f"rate(nginx_connections_accepted{RATE}) - rate(nginx_connections_handled{RATE})"},
                      unit="cps", thresholds=high(0.01, 1), span=8),
            ],
            "What it costs": [
                graph("CPU", "Processors that Gunicorn and all its workers keep busy.",
                      {"{{instance}}": f'rate(process_cpu_seconds_total{{job="backend", {HOST}}}{RATE})'}, span=8),
                graph("Memory", "Resident memory of Gunicorn and all its workers; pages that they share count for each of them.",
                      {"{{instance}}": f'process_resident_memory_bytes{{job="backend", {HOST}}}'}, unit="bytes", span=8),
                graph("The site from outside", "Where the time of a visitor's https request goes.",
                      {"{{instance}} {{phase}}": "probe_http_duration_seconds"}, unit="s", stacked=True, span=8),
            ],
        },
    )
