"""Sizes, durations and rates as people write them: ``2GiB``, ``90s``, ``1Gbit``. Pure; `ValueError` for others."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_SIZES = {"": 1, "B": 1, **{f"{p}B": 1000**n for n, p in enumerate("KMGT", 1)}, "kB": 1000}
_SIZES |= {f"{p}{suffix}": 1024**n for n, p in enumerate("KMGT", 1) for suffix in ("i", "iB")}
_DURATIONS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RATES = {"bit": 1, "Kbit": 1000, "kbit": 1000, "Mbit": 1000**2, "Gbit": 1000**3}


def parse_size(text: str | int) -> int:
    """Bytes: ``2GiB``, ``500MB``, ``2Gi``, or a plain number."""
    return int(_parse(text, _SIZES, "a size like 512MiB or 2GiB"))


def parse_duration(text: str | float) -> float:
    """Seconds: ``90s``, ``2m``, ``500ms``, or a plain number."""
    return _parse(text, _DURATIONS, "a duration like 90s or 2m")


def parse_rate(text: str | int) -> int:
    """Bits a second: ``100Mbit``, ``1Gbit``; a plain number is bits."""
    return int(_parse(text, {"": 1, **_RATES}, "a rate like 100Mbit or 1Gbit"))


def size_text(count: int) -> str:
    """Bytes for people: ``512 B``, ``1.5 GiB``."""
    amount, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:  # noqa: PLR2004  (binary units)
        amount /= 1024
        units.pop(0)
    return f"{count} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def rate_text(bits: float) -> str:
    """Bits a second for people: ``940 Mbit/s``, ``1.2 Gbit/s``."""
    amount, units = float(bits), ["bit", "kbit", "Mbit", "Gbit"]
    while amount >= 1000 and len(units) > 1:  # noqa: PLR2004  (decimal units)
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}/s" if amount >= 10 else f"{amount:.1f} {units[0]}/s"  # noqa: PLR2004  (two digits)


def span_text(least: float, most: float) -> str:
    """Between so many seconds, for people, who are not told more than is known: ``about 12 to 18 min``."""
    steps = (("s", 1, 5), ("min", 60, 1), ("h", 3600, 1))
    unit, seconds, step = next((one for one in steps if most < 100 * one[1]), steps[-1])
    first, last = (max(step, step * round(each / seconds / step)) for each in (least, most))
    return f"about {first} {unit}" if first == last else f"about {first} to {last} {unit}"


def _parse(text: str | float, units: dict[str, int] | dict[str, float], expected: str) -> float:
    match = _NUMBER.fullmatch(str(text).strip())
    unit = units.get(match[2]) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not {expected}")
    return float(match[1]) * unit if "." in match[1] else int(match[1]) * unit
