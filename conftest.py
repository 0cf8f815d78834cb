"""For every test run of this repository that has no configuration of its own; molecule/ and app/backend/ have one."""

pytest_plugins = ["tests.ledger"]
