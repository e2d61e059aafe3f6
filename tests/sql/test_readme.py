"""The page of the contract: its commands run as they stand, and answer what it shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx

from supaqueue.devstack import Stack
from tests.sql.sessions import wait_until
from tests.sql.test_refusals import GOOD

README = Path(__file__).parents[2] / "sql" / "README.md"
BLOCK = re.compile(r"```sh\n(.*?)```(?:\n```json\n(.*?)```)?", re.DOTALL)
END = "\x1e"


def shape(value: Any) -> Any:
    """Return which keys a value has and what kind of thing stands where; the position in a mark is free."""
    if isinstance(value, dict):
        return {key: "mark" if key == "mail" else shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value[:1]]
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def test_the_commands_run_and_answer_as_shown(own_stack: Stack) -> None:
    wait_until(lambda: version_status(own_stack) == 200, "PostgREST knows the functions")
    blocks = BLOCK.findall(README.read_text())
    script = "".join(f"{command}\nprintf '{END}'\n" for command, _ in blocks)
    output = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=os.environ | own_stack.env(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split(END)
    for (command, shown), answered in zip(blocks, output, strict=False):
        if shown:
            assert shape(json.loads(answered)) == shape(json.loads(shown)), command


def version_status(stack: Stack) -> int:
    headers = {"apikey": stack.service_role_key, "Authorization": f"Bearer {stack.service_role_key}"}
    return httpx.post(f"{stack.url}/rest/v1/rpc/contract_version_v1", headers=headers).status_code


def test_every_function_is_shown() -> None:
    text = README.read_text()
    for function in (*GOOD, "contract_version_v1"):
        assert f"\n## {function}\n" in text
        assert f"\ncall {function} " in text
