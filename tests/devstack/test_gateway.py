"""Nobody gets past the gateway without a key, and a key gives its own role."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from supaqueue.devstack import Stack
from tests.devstack.probes import call, eventually

PATHS = [
    "/",
    "/rest",
    "/rest/v1",
    "/rest/v1/",
    "/rest/v1/notes",
    "/rest/v1/notes?select=*",
    "/rest/v1/rpc/whoami",
    "/rest/v1//notes",
    "//rest/v1/notes",
    "/rest/v1/../v1/notes",
    "/rest%2Fv1/notes",
    "/REST/V1/notes",
    "/rest/v1/notes/",
    "/notes",
    "/live",
    "/ready",
    "/config",
    "/config/",
    "/load",
    "/metrics",
    "/graphql/v1",
    "/auth/v1/health",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PROPFIND"]


@pytest.fixture(scope="module")
def project(newest_stack: Stack) -> Iterator[Stack]:
    """A running stack with a table `notes` and a function `whoami`, both open to everybody."""
    with psycopg.connect(newest_stack.database_url, autocommit=True) as database:
        database.execute("create table notes (id int)")
        database.execute(
            """create function whoami() returns text language sql as
            $$ select current_user || ' ' || current_setting('statement_timeout') $$"""
        )
        eventually(lambda: whoami(newest_stack, newest_stack.anon_key), 200)
        yield newest_stack
        database.execute("drop table notes")
        database.execute("drop function whoami")


def whoami(stack: Stack, key: str, authorization: str | None = None) -> httpx.Response:
    return call(stack, "/rest/v1/rpc/whoami", method="POST", key=key, authorization=authorization, json={})


@pytest.mark.parametrize("path", PATHS)
def test_no_path_is_open_without_a_known_key(project: Stack, path: str) -> None:
    another = project.token("anon")[:-2] + "AA"
    service = f"Bearer {project.service_role_key}"
    assert call(project, path).status_code == 401
    assert call(project, path, authorization=service).status_code == 401
    for key in (
        "unknown",
        "*",
        another,
        project.token("authenticated"),
        project.anon_key + "x",
        "sb_secret_",
    ):
        response = call(project, path, key=key, authorization=service)
        assert (response.status_code, response.json()["message"]) == (401, "Invalid API key")


@pytest.mark.parametrize("method", METHODS)
def test_no_method_is_open_without_a_known_key(project: Stack, method: str) -> None:
    assert raw_status(project, f"{method} /rest/v1/notes HTTP/1.1\r\nHost: x\r\n") == 401
    assert raw_status(project, f"{method} /rest/v1/notes HTTP/1.1\r\nHost: x\r\napikey: no\r\n") == 401


@pytest.mark.parametrize(
    "head",
    [
        "GET http://127.0.0.1/rest/v1/notes HTTP/1.1\r\nHost: x\r\n",
        "GET /rest/v1/notes HTTP/1.0\r\n",
        "GET /rest/v1/notes HTTP/1.1\r\nHost: x\r\napikey:\r\n",
        "GET /rest/v1/notes HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.1\r\nX-Original-URL: /\r\n",
        "GET /rest/v1/notes HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
    ],
)
def test_no_form_of_request_is_open_without_a_key(project: Stack, head: str) -> None:
    assert raw_status(project, head) == 401


def test_the_requests_written_by_hand_would_pass_with_a_key(project: Stack) -> None:
    head = f"GET /rest/v1/notes HTTP/1.1\r\nHost: x\r\napikey: {project.anon_key}\r\n"
    assert raw_status(project, head) == 200


def raw_status(stack: Stack, head: str) -> int:
    port = int(stack.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{head}\r\n".encode())
        return int(connection.recv(64).split()[1])


def test_the_refusal_says_whether_the_key_is_missing_or_unknown(project: Stack) -> None:
    missing, unknown = call(project, "/rest/v1/notes"), call(project, "/rest/v1/notes", key="unknown")
    assert missing.json()["message"] == "No API key found in request"
    assert unknown.json()["message"] == "Invalid API key"
    assert missing.headers["Content-Type"].startswith("application/json")


def test_a_key_acts_as_its_own_role(project: Stack) -> None:
    roles = {
        project.anon_key: "anon 3s",
        project.publishable_key: "anon 3s",
        project.service_role_key: "service_role 8s",
        project.secret_key: "service_role 8s",
    }
    for key, role in roles.items():
        assert whoami(project, key).json() == role


def test_a_jwt_of_the_callers_own_is_passed_through(project: Stack) -> None:
    bearer = f"Bearer {project.token('authenticated')}"
    for key in (project.anon_key, project.publishable_key, project.service_role_key, project.secret_key):
        assert whoami(project, key, bearer).json() == "authenticated 8s"
    assert whoami(project, project.anon_key, f"Bearer {project.anon_key}").json() == "anon 3s"


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_an_api_key_as_bearer_counts_as_none(project: Stack, scheme: str) -> None:
    assert whoami(project, project.publishable_key, scheme + project.secret_key).json() == "anon 3s"
    assert whoami(project, project.secret_key, scheme + project.secret_key).json() == "service_role 8s"


def test_a_jwt_that_this_stack_did_not_sign_is_refused(project: Stack) -> None:
    forged = project.token("service_role")[:-4] + "AAAA"
    assert whoami(project, project.anon_key, f"Bearer {forged}").status_code == 401


def test_only_the_rest_api_is_routed(project: Stack) -> None:
    for path in ("/", "/notes", "/ready", "/graphql/v1", "/rest/v2/notes", "/rest/v10"):
        assert call(project, path, key=project.service_role_key).status_code == 404
    assert call(project, "/rest/v1", key=project.anon_key).status_code == 200
    assert call(project, "/rest/v1/", key=project.anon_key).status_code == 200
