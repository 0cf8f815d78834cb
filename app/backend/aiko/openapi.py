"""Routes that describe themselves: one declaration validates the input, shapes the output and documents both."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Blueprint, Flask, Response, g, jsonify, request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import models_json_schema

from aiko import __version__
from aiko.errors import MEDIA_TYPE, Problem


class Model(BaseModel):
    """Base of all request and response bodies: unknown members are refused, text is trimmed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, from_attributes=True)


class ProblemOut(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str


@dataclass(frozen=True)
class Route:
    """What is known about one route."""

    method: str
    path: str
    summary: str
    status: int
    out: type[BaseModel] | None
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    errors: tuple[int, ...]
    auth: bool
    upload: bool
    produces: str


WHY = {
    400: "Malformed request",
    401: "Not logged in",
    403: "Not allowed",
    404: "Not found, or somebody else's",
    409: "Conflicts with what is there",
    413: "Too large",
    415: "Kind of content not accepted",
    422: "Content not valid",
    429: "Too many attempts; see Retry-After",
    503: "A needed server does not answer",
}
ROUTES: dict[tuple[str, str], Route] = {}


def _problems(error: ValidationError) -> list[dict[str, str]]:
    return [{"at": ".".join(map(str, e["loc"])), "problem": e["msg"]} for e in error.errors(include_url=False)]


def _body(model: type[BaseModel]) -> BaseModel:
    if not request.is_json:
        raise Problem(415, "expected a body of Content-Type application/json")
    data = request.get_json(silent=True)
    if data is None:
        raise Problem(400, "the body is not valid JSON")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = _problems(error)
        detail = "; ".join(f"{p['at'] or 'body'}: {p['problem']}" for p in found[:5])
        raise Problem(422, detail, errors=found) from None


def _query(model: type[BaseModel]) -> BaseModel:
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        found = _problems(error)
        raise Problem(422, "; ".join(f"query {p['at']}: {p['problem']}" for p in found[:5]), errors=found) from None


def route(
    blueprint: Blueprint,
    method: str,
    path: str,
    summary: str,
    *,
    out: type[BaseModel] | None = None,
    status: int = 200,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    errors: tuple[int, ...] = (),
    auth: bool = True,
    role: str | None = None,
    upload: bool = False,
    produces: str = "application/json",
) -> Callable:
    """Register a view. It is called with the path's values, plus `body` and `query` when declared.

    With `auth` the caller must bring a valid token and `g.user_id` is set; with `role` the account must have it now.
    What the view returns is shown through `out`; a Response goes out as it is; None with status 204 has no body.
    """
    failures = {
        *errors,
        *((401, 503) if auth else ()),
        *((403,) if role else ()),
        *((400, 415, 422) if body else ()),
        *((422,) if query else ()),
    }
    known = Route(method, path, summary, status, out, body, query, tuple(sorted(failures)), auth, upload, produces)
    ROUTES[method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)] = known

    def wrap(view: Callable) -> Callable:
        @wraps(view)
        def handle(**values: Any) -> Any:
            if auth:
                from aiko.auth import authenticate, require

                g.user_id = authenticate()
                if role:
                    require(g.user_id, role)
            if body:
                values["body"] = _body(body)
            if query:
                values["query"] = _query(query)
            result = view(**values)
            if isinstance(result, Response):
                return result
            if out is None:
                return "", status
            return jsonify(out.model_validate(result).model_dump(mode="json")), status

        blueprint.add_url_rule(path, endpoint=view.__name__, view_func=handle, methods=[method])
        return handle

    return wrap


def _parameters(known: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", known.path):
        schema = {"type": "string", "format": "uuid"} if kind == "uuid" else {"type": "string"}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    if known.query:
        shape = schemas[known.query.__name__]
        for name, schema in shape["properties"].items():
            found.append({"name": name, "in": "query", "required": name in shape.get("required", ()), "schema": schema})
    return found


def _operation(known: Route, schemas: dict[str, Any], operation: str) -> dict[str, Any]:
    def ref(model: type[BaseModel]) -> dict[str, str]:
        return {"$ref": f"#/components/schemas/{model.__name__}"}

    good: dict[str, Any] = {"description": "Done"}
    if known.out:
        good["content"] = {known.produces: {"schema": ref(known.out)}}
    elif known.status != 204:
        good["content"] = {known.produces: {"schema": {"type": "string"}}}
    problem = {"content": {MEDIA_TYPE: {"schema": ref(ProblemOut)}}}
    responses = {
        str(known.status): good,
        **{str(e): {"description": WHY[e], **problem} for e in known.errors},
        "default": {"description": "Any other error", **problem},
    }
    result: dict[str, Any] = {
        "operationId": operation,
        "summary": known.summary,
        "responses": responses,
        "parameters": _parameters(known, schemas),
    }
    if known.body:
        result["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(known.body)}}}
    if known.upload:
        shape = {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary"}, "title": {"type": "string"}},
        }
        result["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": shape}}}
    if known.auth:
        result["security"] = [{"bearer": []}]
    return result


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every registered route."""
    models = {m for r in ROUTES.values() for m in (r.out, r.body, r.query) if m} | {ProblemOut}
    ordered = sorted(models, key=lambda m: m.__name__)
    _, shapes = models_json_schema([(m, "validation") for m in ordered], ref_template="#/components/schemas/{model}")
    schemas = shapes.get("$defs", {})
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), known in sorted(ROUTES.items()):
        operation = f"{method.lower()}_{re.sub(r'[^a-z0-9]+', '_', path.lower()).strip('_')}"
        paths.setdefault(path, {})[method.lower()] = _operation(known, schemas, operation)
    for model in {r.query for r in ROUTES.values() if r.query}:
        schemas.pop(model.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "AI-KO", "version": __version__, "description": "Documents into quizzes."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def as_uuid(value: str) -> UUID | None:
    """Return `value` as a UUID, or None when it is none."""
    try:
        return UUID(value)
    except ValueError:
        return None


def mount(app: Flask) -> None:
    """Serve the document under /api/openapi.json."""
    blueprint = Blueprint("openapi", __name__)

    @route(blueprint, "GET", "/api/openapi.json", "This document", auth=False)
    def openapi() -> Response:
        return jsonify(document())

    app.register_blueprint(blueprint)
