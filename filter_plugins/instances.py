"""Several instances of one service, described once."""

from __future__ import annotations


def per_instance(instances: dict, names: list[str], key: str, value: dict) -> dict:
    """Map what each chosen instance has under ``key`` to ``value``, which learns the instance's name.

    Args:
        instances: name to a dict of facts (unit, configuration, data, ...).
        names: the instances to use, in order.
        key: the fact that becomes the key of the result.
        value: what each gets. A list in it is completed: ``"{configuration}"`` becomes that instance's fact.

    Returns:
        For example ``{"/etc/redis/redis-cache.conf": {..., "vars": {"instance": "cache"}}}``.
    """
    return {instances[name][key]: _complete(value, {**instances[name], "name": name}) for name in names}


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
