"""The API describes itself completely and truly."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

pytestmark = pytest.mark.ledger("BE4")


def test_document_is_valid_and_has_every_route(app: Any) -> None:
    """A route that is served but not described, or the other way round, fails here."""
    document = app.test_client().get("/api/openapi.json").json
    OpenAPIV31SpecValidator(document).validate()
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {(method.upper(), path) for path, verbs in document["paths"].items() for method in verbs}
    assert served == described
    names = [verb["operationId"] for verbs in document["paths"].values() for verb in verbs.values()]
    assert len(names) == len(set(names))


def test_all_but_the_public_routes_want_a_token(app: Any) -> None:
    """The document's security and the server's behaviour agree, route by route."""
    client = app.test_client()
    document = client.get("/api/openapi.json").json
    public = set()
    for path, verbs in document["paths"].items():
        for method, verb in verbs.items():
            url = re.sub(r"{\w+}", "00000000-0000-0000-0000-000000000000", path)
            status = client.open(url, method=method.upper(), json={}).status_code
            assert (status == 401) == bool(verb.get("security")), (method, path, status)
            if not verb.get("security"):
                public.add(path)
    assert public == {
        "/api/auth/register",
        "/api/auth/login",
        "/api/openapi.json",
        "/metrics",
        "/health",
        "/health/live",
        "/health/ready",
        "/health/detailed",
    }
