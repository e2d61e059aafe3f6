"""Both colours of the transport, with a server that does what real ones do rarely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from supaqueue.contract import Call, ContractVersion, SpokenVersions
from supaqueue.errors import ContractMismatch, EndpointNotFound, QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.transport import AsyncRestTransport, RestTransport

SETTINGS = Settings(url="https://ref.supabase.co", service_role_key="key")
ADDRESS = "https://ref.supabase.co/rest/v1/rpc/contract_version_v1"
SPOKEN = httpx.Response(200, json={"newest": 1, "oldest": 1})

Send = Callable[[Call[Any], float], Any]


def send_sync(call: Call[Any], budget: float) -> Any:
    with RestTransport(SETTINGS, budget) as transport:
        return transport.send(call)


def send_async(call: Call[Any], budget: float) -> Any:
    async def send() -> Any:
        async with AsyncRestTransport(SETTINGS, budget) as transport:
            return await transport.send(call)

    return asyncio.run(send())


@pytest.fixture(params=[send_sync, send_async], ids=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    colour: Send = request.param
    return colour


@respx.mock
def test_repeats_until_answered(send: Send) -> None:
    route = respx.post(ADDRESS).mock(
        side_effect=[httpx.ReadTimeout, httpx.Response(502), httpx.ConnectError, httpx.Response(429), SPOKEN]
    )
    assert send(ContractVersion(), 10.0) == SpokenVersions(1, 1)
    assert len({call.request.content for call in route.calls}) == 1
    assert route.call_count == 5


@respx.mock
def test_gives_up_and_says_what_is_known(send: Send) -> None:
    respx.post(ADDRESS).mock(side_effect=[httpx.Response(503), *[httpx.ConnectError("refused")] * 1000])
    with pytest.raises(QueueUnavailable) as raised:
        send(ContractVersion(), 0.3)
    assert raised.value.committed == "unknown"
    # What the network's error holds, holds the key.
    assert raised.value.__context__ is None


@respx.mock
def test_redirects_are_not_followed(send: Send) -> None:
    elsewhere = respx.post("https://elsewhere.example/").mock(return_value=SPOKEN)
    respx.post(ADDRESS).mock(
        return_value=httpx.Response(308, headers={"Location": "https://elsewhere.example/"})
    )
    with pytest.raises(EndpointNotFound, match=r"elsewhere\.example"):
        send(ContractVersion(), 10.0)
    assert not elsewhere.called


@respx.mock
def test_a_function_that_appears_is_found(send: Send) -> None:
    missing = httpx.Response(404, json={"code": "PGRST202", "message": ""})
    respx.post(ADDRESS).mock(side_effect=[missing, missing, SPOKEN])
    assert send(ContractVersion(), 10.0) == SpokenVersions(1, 1)


@respx.mock
def test_another_version_is_not_repeated(send: Send) -> None:
    route = respx.post(ADDRESS).mock(
        return_value=httpx.Response(400, json={"code": "SQ001", "details": '{"newest": 3, "oldest": 2}'})
    )
    with pytest.raises(ContractMismatch):
        send(ContractVersion(), 10.0)
    assert route.call_count == 1


@respx.mock
def test_given_connections_are_used_and_left_open() -> None:
    respx.post(ADDRESS).mock(return_value=SPOKEN)
    with httpx.Client(headers={"X-Mine": "1"}) as connections:
        with RestTransport(SETTINGS, http_client=connections) as transport:
            transport.send(ContractVersion())
        assert not connections.is_closed
        assert respx.calls.last.request.headers["X-Mine"] == "1"


@respx.mock
def test_given_async_connections_are_used_and_left_open() -> None:
    async def send() -> None:
        async with httpx.AsyncClient(headers={"X-Mine": "1"}) as connections:
            async with AsyncRestTransport(SETTINGS, http_client=connections) as transport:
                await transport.send(ContractVersion())
            assert not connections.is_closed

    respx.post(ADDRESS).mock(return_value=SPOKEN)
    asyncio.run(send())
    assert respx.calls.last.request.headers["X-Mine"] == "1"
