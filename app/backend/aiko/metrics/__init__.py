"""Prometheus metrics of the web processes and of the Celery workers."""
