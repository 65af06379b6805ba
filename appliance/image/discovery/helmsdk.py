"""The Helm SDK in a process of its own: ``python -m appliance.image.discovery.helmsdk``. The door to helm_python.

Its library is Go with its own threads and signals, and charts are others' programs; so neither lives in ours. One JSON
document on stdin (charts, values, sets), one on stdout: for each chart its manifests by template, or what is wrong.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import helm_python


def main() -> None:
    """Render what stdin names."""
    asked = json.load(sys.stdin)
    values: dict[str, Any] = {}
    answers: list[dict[str, Any]] = []
    try:
        for text in asked["values"]:
            values = _merged(values, helm_python.values_from_yaml(text))
        for expression in asked["sets"]:
            values = _merged(values, helm_python.parse_set_string(expression))
    except helm_python.HelmError as error:
        json.dump({"error": str(error)}, sys.stdout)
        return
    for path in asked["charts"]:
        try:
            with helm_python.Chart.load(path) as chart:
                answers.append({"manifests": chart.render(values, name="release", namespace="default")})
        except (helm_python.HelmError, ValueError) as error:
            answers.append({"error": str(error)})
    json.dump({"charts": answers}, sys.stdout)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


if __name__ == "__main__":
    main()
