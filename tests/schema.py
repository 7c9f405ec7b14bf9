"""The published schema of reports: every report in every test is checked against it."""

import json
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

VALIDATOR = Draft202012Validator(json.loads((files("scoperun") / "report.schema.json").read_text()))


def validated(text: str) -> dict[str, Any]:
    """Return the report in `text`, after checking it against the schema."""
    report: dict[str, Any] = json.loads(text)
    VALIDATOR.validate(report)
    return report
