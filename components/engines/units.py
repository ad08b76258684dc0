"""Quantities in engine settings: memory and durations, with messages that say how to write them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator


def _quantity(value: str) -> str:
    if re.fullmatch(r"[1-9][0-9]*(\.[0-9]+)?[MG]i", value):
        return value
    number = re.match(r"\s*([1-9][0-9]*(\.[0-9]+)?)\s*([a-zA-Z]?)", value)
    advice = "4Gi"
    if number:
        # A bare number or megabytes can only have been meant in MiB once it is large.
        giga = number[3] in ("g", "G") or (not number[3] and float(number[1]) < 256)
        advice = f"{number[1]}{'Gi' if giga else 'Mi'}"
    raise ValueError(f"'{value.strip()}' is not a memory quantity: use {advice} (units Mi and Gi, no space)")


def _duration(value: object) -> object:
    """Go duration text; a plain number means seconds."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"'{value}' is not a duration: use seconds or a text such as 30s, 5m or 1h30m")
    text = str(value)
    if re.fullmatch(r"-?[0-9]+", text):
        return "-1" if text.startswith("-") else f"{text}s"
    if re.fullmatch(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+", text):
        return text
    raise ValueError(f"'{text}' is not a duration: use seconds or a text such as 30s, 5m or 1h30m; -1 means for ever")


Quantity = Annotated[str, AfterValidator(_quantity)]
Duration = Annotated[str, BeforeValidator(_duration, json_schema_input_type=str | int)]


def mebibytes(quantity: str) -> int:
    """`512Mi` or `4Gi` in MiB."""
    return int(float(quantity[:-2]) * (1024 if quantity.endswith("Gi") else 1))
