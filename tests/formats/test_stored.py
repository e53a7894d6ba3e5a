"""What lies in the database is a promise to the next director: each version's shapes stand in ``stored/<version>/``.

When a test here fails, the model has changed in a way that records already written do not have. Write a migration,
move its number into ``migrations.HEAD`` (the old one into ``EARLIER``), and let ``--accept`` write the new folder.
"""

import json
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from director.adapters.store import migrations, plan_from_tree, plan_to_tree
from director.adapters.store.encode import from_tree, to_text, tree_of
from director.adapters.store.tables import metadata
from director.model.fabric import NetworkObject
from director.model.step import Step
from tests.formats.samples import OBJECTS, PLAN, STEPS, STORED

DIRECTORY = Path(__file__).parent / "stored" / migrations.HEAD


def _compare(request, path, text):
    if request.config.getoption("--accept") and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.is_file(), f"no golden file for format {migrations.HEAD}: run with --accept once"
    assert text == path.read_text(), "the stored format changed without a migration: see the top of this file"


@pytest.mark.parametrize("name", sorted(STORED))
def test_a_record_is_written_as_this_version_promised(name, request):
    text = json.dumps(json.loads(to_text(STORED[name])), indent=1, sort_keys=True, ensure_ascii=False)
    _compare(request, DIRECTORY / f"{name}.json", text + "\n")


@pytest.mark.parametrize("name", sorted(STORED))
def test_a_record_of_this_version_is_read_whole(name):
    kept = tree_of((DIRECTORY / f"{name}.json").read_text())
    assert from_tree(kept, type(STORED[name])) == STORED[name]


def test_the_tables_are_as_this_version_promised(request):
    engine = create_engine("sqlite://")
    lines = []
    for table in sorted(metadata.tables.values(), key=lambda table: table.name):
        lines.append(str(CreateTable(table).compile(engine)).strip() + ";")
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        lines += [str(CreateIndex(index).compile(engine)).strip() + ";" for index in indexes]
    text = "\n".join(line.rstrip() for line in "\n".join(lines).expandtabs(4).splitlines())
    _compare(request, DIRECTORY / "tables.sql", text + "\n")


def test_the_sample_plan_has_every_kind_of_step():
    assert {type(step) for step in STEPS} == set(get_args(Step))
    assert plan_from_tree(plan_to_tree(PLAN)) == PLAN


def test_the_sample_stack_has_every_kind_of_network_object():
    assert {type(one) for one in OBJECTS} == set(get_args(NetworkObject))


@pytest.mark.parametrize("version", sorted(migrations.EARLIER))
def test_a_record_of_an_earlier_version_is_still_read(version):
    for path in sorted((DIRECTORY.parent / version).glob("*.json")):
        kept = tree_of(path.read_text())
        if path.stem == "plan":
            assert plan_from_tree(kept).steps
        else:
            assert from_tree(kept, type(STORED[path.stem]))


def test_a_field_that_an_older_record_lacks_takes_its_default():
    tree = dict(tree_of(to_text(STORED["task"])))
    del tree["result"]
    assert from_tree(tree, type(STORED["task"])).result == ""
