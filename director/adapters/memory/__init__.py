"""A whole world in dicts, with faults on demand: what simulations and contract suites run against."""
