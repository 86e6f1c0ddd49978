import json

import pytest
import tomli

from kettlingard.core.effective import written
from kettlingard.core.keys import keys_of
from kettlingard.core.schema import schema
from kettlingard.core.spec import TABLES

KEYS = [(table, name, key) for table, cls in TABLES.items() for name, key in keys_of(cls).items()]


@pytest.mark.parametrize(("table", "name", "key"), KEYS, ids=lambda part: str(part)[:20])
def test_each_key_that_is_taken_is_in_the_schema_with_its_form_and_sentence(table, name, key):
    found = schema()["properties"][table]["properties"][name]
    assert key.doc in found["description"]
    assert {"type", "enum", "anyOf"} & found.keys()


def test_each_default_is_what_a_file_would_say():
    for table, name, key in KEYS:
        found = schema()["properties"][table]["properties"][name]
        if "default" in found:
            read = tomli.loads(f"x = {written(key.kind, found['default'])}")["x"]
            assert read == found["default"], (table, name)


def test_it_is_json():
    assert json.loads(json.dumps(schema()))["additionalProperties"] is False
