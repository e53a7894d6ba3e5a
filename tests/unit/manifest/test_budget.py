"""How many of each group may be away at a time, read from a manifest alone."""

import pytest

from director.manifest.budget import read_budgets
from director.model.deployment import Count
from director.model.problem import Refused

MANIFEST = """
update: {canaries: 1, max_in_flight: 40%, canary_watch_time: 1, update_watch_time: 1}
instance_groups:
- {name: db, instances: 3, update: {max_in_flight: 2}}
- {name: web, instances: 9, update: {canaries: 0}}
- {name: odd, instances: 9, update: {max_in_flight: ((unknown))}}
"""


def test_a_groups_budget_is_its_own_or_else_the_deployments():
    assert read_budgets(MANIFEST) == {"db": Count(number=2), "web": Count(percent=40), "odd": Count(number=1)}


def test_a_text_that_is_no_manifest_is_refused():
    with pytest.raises(Refused):
        read_budgets("[]")
