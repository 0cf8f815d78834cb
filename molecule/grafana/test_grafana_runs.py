"""Grafana itself; needs its package, which is not in Debian: GRAFANA_PACKAGE=PATH make molecule ROLE=grafana."""

import json
import os

import pytest
from scenario import assert_closed_in, eventually, unit_property

UNITS = ["grafana-server", "prometheus"]
URL = "http://127.0.0.1:3001"
pytestmark = pytest.mark.skipif(
    not os.environ.get("GRAFANA_PACKAGE"),
    reason="no package of Grafana was given; it is not in Debian: GRAFANA_PACKAGE=PATH make molecule ROLE=grafana",
)


@pytest.fixture
def ask(host, secrets):
    """A request to Grafana's API as admin, with the password or another; returns the status and what JSON said."""

    def request(path: str, method: str = "GET", body: dict | None = None, password: str | None = None) -> tuple[int, dict]:
        chosen = secrets["grafana_admin_password"] if password is None else password
        text = host.check_output(
            "curl --silent --user %s --request %s --header 'Content-Type: application/json' --data %s --write-out '\\n%%{http_code}' %s",
            f"admin:{chosen}", method, json.dumps(body) if body else "", URL + path)
        answer, status = text.rsplit("\n", 1)
        return int(status), json.loads(answer or "{}")

    return request


@pytest.fixture(scope="module", autouse=True)
def curl(host):
    host.check_output("apt-get install --quiet --yes --no-install-recommends curl")


@pytest.mark.ledger("MO5")
def test_it_is_healthy(ask):
    """The database is what a full disk takes first."""
    status, answer = ask("/api/health")
    assert (status, answer["database"]) == (200, "ok")


@pytest.mark.ledger("MO5")
@pytest.mark.parametrize("password", ["admin", "grafana", ""])
def test_the_usual_passwords_are_refused(ask, password):
    """They are the first that anybody tries."""
    assert ask("/api/user", password=password)[0] == 401
    assert ask("/api/user")[0] == 200


@pytest.mark.ledger("MO5")
def test_it_reaches_prometheus(ask):
    """Grafana's own word that URL, user and password of the data source are right."""
    status, answer = ask("/api/datasources/uid/aiko-prometheus/health")
    assert (status, answer["status"]) == (200, "OK"), answer


@pytest.mark.ledger("MO5", "MO6")
@pytest.mark.parametrize("name", ["system", "backend", "database", "redis", "celery"])
def test_the_dashboards_are_there_and_read_only(ask, name):
    """Links and habits name them; a change that can be saved is one that nobody can repeat."""
    status, answer = ask(f"/api/dashboards/uid/aiko-{name}")
    assert status == 200, answer
    assert answer["meta"]["provisioned"]
    changed = answer["dashboard"] | {"title": "mine now"}
    assert ask("/api/dashboards/db", "POST", {"dashboard": changed, "overwrite": True})[0] == 400


@pytest.mark.ledger("SY4")
def test_it_is_closed_in(host):
    """A web application with a database of passwords is worth a wall around it."""
    assert_closed_in(host, "grafana-server")


@pytest.mark.ledger("MO5")
def test_data_outlives_a_restart(host, ask):
    """Users and their settings are in the database, and nobody wants to make them twice."""
    status, user = ask("/api/admin/users", "POST", {"name": "Ada", "login": "ada", "password": "a-long-enough-one"})
    assert status in (200, 412), user
    before = unit_property(host, "grafana-server", "MainPID")
    host.check_output("systemctl restart grafana-server")
    assert unit_property(host, "grafana-server", "MainPID") != before
    eventually(lambda: ask("/api/health")[0] == 200, "it answers", 60)
    assert ask("/api/users/lookup?loginOrEmail=ada")[0] == 200


@pytest.mark.ledger("MO5", "SY3")
def test_another_secret_is_another_password(ask, converge, secrets):
    """Grafana reads the setting once, when it makes its database; a password that leaked must be changeable all the same."""
    converge({"grafana_admin_password": "another-password-for-a-while"}).succeeded()
    assert ask("/api/user", password="another-password-for-a-while")[0] == 200
    assert ask("/api/user")[0] == 401
    assert converge({}).succeeded().changed > 0
    assert ask("/api/user")[0] == 200
