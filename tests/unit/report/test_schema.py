"""The published schema accepts the reports, and refuses wrong ones."""

import json

import pytest
from jsonschema import ValidationError

from tests.schema import validated
from tests.unit.stories import STORIES, Story, told


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_report_fits_the_schema(story: Story) -> None:
    assert validated(told(story.events, story.limits).to_json(event="finished"))["schema"] == 1


@pytest.mark.parametrize("key", told(STORIES[0].events).to_dict())
def test_a_report_without_a_key_does_not_fit(key: str) -> None:
    report = told(STORIES[0].events).to_dict()
    del report[key]
    with pytest.raises(ValidationError):
        validated(json.dumps(report))
