"""The Helm SDK in a process of its own: ``python -m appliance.image.discovery.helmsdk``. The door to helm_python.

Its library is Go with its own threads and signals, and charts are others' programs; so neither lives in ours. One JSON
list on stdin (charts with their values and sets), one on stdout: the manifests of each by template, or what is wrong.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import helm_python


def main() -> None:
    """Render what stdin names."""
    json.dump([_rendered(**job) for job in json.load(sys.stdin)], sys.stdout)


def _rendered(*, chart: str, values: list[str], sets: list[str], namespace: str) -> dict[str, Any]:
    try:
        given: dict[str, Any] = {}
        for text in values:
            given = _merged(given, helm_python.values_from_yaml(text))
        for expression in sets:
            given = _merged(given, helm_python.parse_set_string(expression))
        with helm_python.Chart.load(chart) as loaded:
            return {"manifests": loaded.render(given, name="release", namespace=namespace)}
    except (helm_python.HelmError, ValueError) as error:
        return {"error": str(error)}


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


if __name__ == "__main__":
    main()
