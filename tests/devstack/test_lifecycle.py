"""Up, down, and what stays."""

from __future__ import annotations

import json
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from supaqueue.devstack import Stack
from supaqueue.errors import DevStackError
from tests.devstack.conftest import MakeStack
from tests.devstack.probes import (
    call,
    count_rows,
    data_folder,
    eventually,
    is_running,
    kill,
    processes_in,
    write_row,
)


def test_data_keys_and_addresses_survive_a_restart(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    write_row(stack)
    before = stack.env()
    stack.down()
    another = make_stack()
    another.up()
    assert another.env() == before
    assert count_rows(another) == 1


def test_up_is_idempotent(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    before = stack.status()
    stack.up()
    assert stack.status() == before


def test_down_leaves_no_process(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    data = data_folder(stack)
    running = processes_in(stack.directory, data)
    assert {"postgres", "postgrest", "caddy"} <= set(running.values())
    stack.down()
    assert processes_in(stack.directory, data) == {}
    assert not any(is_running(pid) for pid in running)
    assert not stack.status().running
    stack.down()


def test_the_context_manager_is_up_inside_and_down_after(make_stack: MakeStack) -> None:
    stack = make_stack()
    with stack as entered:
        assert entered is stack
        assert call(stack, "/rest/v1/", key=stack.anon_key).status_code == 200
    assert not any(process.alive for process in stack.status().processes)


def test_several_run_side_by_side(make_stack: MakeStack) -> None:
    first, second = make_stack("first"), make_stack("second")
    with ThreadPoolExecutor() as threads:
        list(threads.map(Stack.up, [first, second]))
    write_row(first)
    assert count_rows(first) == 1
    assert call(second, "/rest/v1/kept", key=second.anon_key).status_code == 404
    assert call(second, "/rest/v1/", key=first.anon_key).status_code == 401
    first.down()
    assert call(second, "/rest/v1/", key=second.anon_key).status_code == 200


def command_line(pid: int) -> bytes:
    """Empty if the process has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_two_ups_of_one_folder_do_not_collide(make_stack: MakeStack) -> None:
    stacks = [make_stack(), make_stack(), make_stack()]
    with ThreadPoolExecutor() as threads:
        list(threads.map(Stack.up, stacks))
    assert len({stack.status() for stack in stacks}) == 1
    data = data_folder(stacks[0])
    names = list(processes_in(stacks[0].directory).values())
    assert (names.count("postgrest"), names.count("caddy")) == (1, 1)
    servers = [pid for pid in processes_in(data) if b"-D" in command_line(pid)]
    assert len(servers) == 1


def test_a_port_given_is_used_and_can_be_changed(make_stack: MakeStack) -> None:
    first, second = free_port(), free_port()
    stack = make_stack(port=first)
    stack.up()
    postgres = stack.status().processes[0]
    assert stack.url == f"http://127.0.0.1:{first}"
    moved = make_stack(port=second)
    moved.up()
    assert call(moved, "/rest/v1/", key=moved.anon_key).status_code == 200
    assert moved.url == f"http://127.0.0.1:{second}"
    assert moved.status().processes[0] == postgres
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{first}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_given_that_is_taken_is_named_and_nothing_stays(make_stack: MakeStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stack = make_stack(port=port)
        with pytest.raises(DevStackError, match=rf"^port {port} on 127.0.0.1 is taken: .*--port$"):
            stack.up()
        assert processes_in(stack.directory) == {}
    stack.up()
    assert stack.url == f"http://127.0.0.1:{port}"


def test_a_kept_port_that_was_taken_meanwhile_is_replaced_everywhere(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    write_row(stack)
    stack.down()
    taken = [process.port for process in stack.status().processes]
    servers = [socket.create_server(("127.0.0.1", port)) for port in taken]
    try:
        stack.up()
        assert not set(taken) & {process.port for process in stack.status().processes}
        assert count_rows(stack) == 1
    finally:
        for server in servers:
            server.close()


def test_a_stack_that_never_ran_says_how_to_start_it(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "none")
    assert stack.status().running is False
    assert stack.status().url is None
    with pytest.raises(DevStackError, match="run `supaqueue dev up`"):
        stack.env()
    stack.down()
    assert not (tmp_path / "none").exists()


def test_secrets_are_for_their_owner_only(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    for name in ("keys.json", "state.json"):
        assert stat.S_IMODE((stack.directory / name).stat().st_mode) == 0o600
    for name in ("logs", "run"):
        assert stat.S_IMODE((stack.directory / name).stat().st_mode) == 0o700
    assert stat.S_IMODE(data_folder(stack).stat().st_mode) == 0o700


def test_no_secret_reaches_command_lines_or_logs(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    commands = [Path(f"/proc/{process.pid}/cmdline").read_text() for process in stack.status().processes]
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("create table private (note text primary key)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into private values ('payload-42'), ('payload-42')")
    kill(stack.status().processes[1].pid)
    assert call(stack, "/rest/v1/x?note=eq.payload-42", key=stack.secret_key).status_code == 502
    stack.down()
    secrets = json.loads((stack.directory / "keys.json").read_text())
    private = [str(value) for name, value in secrets.items() if name not in ("stack_id", "issued_at")]
    private += [stack.anon_key, stack.service_role_key, "payload-42"]
    texts = commands + [log.read_text() for log in (stack.directory / "logs").iterdir()]
    assert len(texts) == 6
    assert not [text for text in texts if any(secret in text for secret in private)]


def test_a_folder_behind_a_link_is_the_same_stack(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    stack.up()
    (tmp_path / "link").symlink_to(stack.directory)
    linked = make_stack("link")
    data = data_folder(stack)
    (stack.directory / "state.json").unlink()
    linked.down()
    assert processes_in(stack.directory, data) == {}


def test_a_temporary_folder_beside_the_data_does_not_endanger_it(
    monkeypatch: pytest.MonkeyPatch, make_stack: MakeStack
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/var/tmp")
    stack = make_stack()
    stack.up()
    write_row(stack)
    stack.down()
    stack.up()
    assert count_rows(stack) == 1


def test_remove_deletes_all_but_what_is_not_the_stacks(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    data = data_folder(stack)
    (stack.directory / "mine.txt").write_text("mine")
    stack.remove()
    assert not data.exists()
    assert [path.name for path in stack.directory.iterdir()] == ["mine.txt"]


def test_settings_reach_both_servers(make_stack: MakeStack) -> None:
    stack = make_stack(settings={"work_mem": "7MB"}, postgrest_settings={"db-max-rows": "2"})
    stack.up()
    with psycopg.connect(stack.database_url) as connection:
        assert connection.execute("show work_mem").fetchone() == ("7MB",)
        connection.execute("create table many as select generate_series(1, 5) as n")
    rows = eventually(lambda: call(stack, "/rest/v1/many", key=stack.anon_key), 200).json()
    assert len(rows) == 2
