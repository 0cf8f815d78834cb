"""Several instances of one service, described once."""

from __future__ import annotations


def per_instance(instances: dict, names: list[str], pattern: dict) -> list[dict]:
    """Complete a pattern for each chosen instance.

    Args:
        instances: name to a dict of facts (unit, configuration, data, ...).
        names: the instances to use, in order.
        pattern: what each gets. A text that is exactly ``{fact}`` becomes that fact of the instance;
            ``{name}`` is its name.

    Returns:
        For example, from ``{"path": "{configuration}"}``: ``[{"path": "/etc/redis/redis-cache.conf"}, ...]``.
    """
    return [_complete(pattern, {**instances[name], "name": name}) for name in names]


def _complete(value, facts: dict):
    if isinstance(value, dict):
        return {key: _complete(item, facts) for key, item in value.items()}
    if isinstance(value, list):
        return [_complete(item, facts) for item in value]
    if isinstance(value, str) and value.startswith("{") and value.endswith("}") and value[1:-1] in facts:
        return facts[value[1:-1]]
    return value


class FilterModule:
    def filters(self) -> dict:
        return {"per_instance": per_instance}
