"""The dashboards, written with Grafana's foundation SDK and rendered to files/dashboards by this package's __main__."""

from roles.grafana.dashboards import backend, celery, database, redis, system

# In the order in which one looks at them.
DASHBOARDS = [module.dashboard() for module in (system, backend, database, redis, celery)]
