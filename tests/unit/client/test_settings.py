"""Settings: where they come from, what wins, and that no text shows a key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supaqueue.errors import ConfigurationError
from supaqueue.settings import DatabaseSettings, Settings

URL = "https://ref.supabase.co"
KEY = "s3cr3t-service"
ENVIRON = {"SUPABASE_URL": URL, "SUPABASE_SERVICE_ROLE_KEY": KEY}


def test_from_the_environment() -> None:
    settings = Settings.load(ENVIRON, dotenv=None)
    assert (settings.url, settings.api_key, settings.token, settings.schema) == (URL, KEY, None, "public")
    assert settings.identity == "SUPABASE_SERVICE_ROLE_KEY"


def test_argument_before_environment_before_dotenv(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "SUPABASE_URL=https://from-dotenv.supabase.co\nSUPAQUEUE_SCHEMA='from_dotenv'\n"
        "SUPABASE_SERVICE_ROLE_KEY=from-dotenv\nSUPAQUEUE_MAX_JSON_BYTES=2048\n"
    )
    environ = {"SUPABASE_URL": "https://from-environ.supabase.co", "SUPAQUEUE_SCHEMA": "from_environ"}
    settings = Settings.load(environ, dotenv, url="https://from-argument.supabase.co")
    assert settings.url == "https://from-argument.supabase.co"
    assert settings.schema == "from_environ"
    assert settings.service_role_key == "from-dotenv"
    assert settings.max_json_bytes == 2048


def test_defaults_are_the_process_and_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("SUPA")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUPABASE_URL", URL)
    (tmp_path / ".env").write_text(f"SUPABASE_SERVICE_ROLE_KEY={KEY}\n")
    assert Settings.load().api_key == KEY
    (tmp_path / ".env").unlink()
    with pytest.raises(ConfigurationError, match="SUPABASE_SERVICE_ROLE_KEY"):
        Settings.load()


def test_an_empty_variable_is_unset(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"SUPABASE_URL={URL}\nSUPAQUEUE_TOKEN=\n")
    settings = Settings.load(
        {"SUPABASE_URL": " ", "SUPABASE_SERVICE_ROLE_KEY": KEY, "SUPAQUEUE_TOKEN": ""}, dotenv
    )
    assert (settings.url, settings.token) == (URL, None)


def test_a_narrower_token_goes_with_the_anon_key() -> None:
    more = {"SUPABASE_ANON_KEY": "anon", "SUPAQUEUE_TOKEN": "narrow"}
    settings = Settings.load(ENVIRON | more, dotenv=None)
    assert (settings.api_key, settings.token, settings.identity) == ("anon", "narrow", "SUPAQUEUE_TOKEN")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, ("SUPABASE_URL",)),
        ({"SUPABASE_URL": URL}, ("SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY", "SUPAQUEUE_TOKEN")),
        ({"SUPABASE_URL": URL, "SUPABASE_ANON_KEY": "anon"}, ("SUPABASE_SERVICE_ROLE_KEY",)),
        (ENVIRON | {"SUPAQUEUE_TOKEN": "narrow"}, ("SUPABASE_ANON_KEY",)),
        (ENVIRON | {"SUPABASE_SERVICE_ROLE_KEY": "two words"}, ("SUPABASE_SERVICE_ROLE_KEY",)),
        (ENVIRON | {"SUPABASE_SERVICE_ROLE_KEY": "s3cr3t\nx"}, ("SUPABASE_SERVICE_ROLE_KEY",)),
        (ENVIRON | {"SUPAQUEUE_SCHEMA": "a b"}, ("SUPAQUEUE_SCHEMA",)),
        (ENVIRON | {"SUPAQUEUE_SCHEMA": "x" * 64}, ("SUPAQUEUE_SCHEMA",)),
        (ENVIRON | {"SUPAQUEUE_MAX_JSON_BYTES": "much"}, ("SUPAQUEUE_MAX_JSON_BYTES",)),
        (ENVIRON | {"SUPAQUEUE_MAX_JSON_BYTES": "0"}, ("SUPAQUEUE_MAX_JSON_BYTES",)),
    ],
)
def test_what_is_wrong_is_named(environ: dict[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(environ, dotenv=None)
    assert all(word in str(raised.value) for word in words)
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (URL, URL),
        (f"{URL}/", URL),
        (f"{URL}/rest/v1", URL),
        (f" {URL}/rest/v1/ ", URL),
        ("http://127.0.0.1:54321", "http://127.0.0.1:54321"),
        ("http://[::1]:54321/", "http://[::1]:54321"),
    ],
)
def test_urls_are_brought_into_one_form(given: str, kept: str) -> None:
    assert Settings(url=given, service_role_key=KEY).url == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ref.supabase.co",
        "ftp://ref.supabase.co",
        "https://",
        f"{URL}/auth/v1",
        "https://supabase.com/dashboard/project/ref",
        f"{URL}?apikey=s3cr3t",
        f"{URL}#s3cr3t",
        "https://user:s3cr3t@ref.supabase.co",
        "https://ref.supabase.co:port",
        "https://ref supabase.co",
        "https://[::1",
    ],
)
def test_other_urls_are_refused_without_showing_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SUPABASE_URL") as raised:
        Settings(url=url, service_role_key=KEY)
    assert "s3cr3t" not in str(raised.value)


def test_a_database_url_in_the_wrong_place_is_told() -> None:
    with pytest.raises(ConfigurationError, match="SUPABASE_DB_URL") as raised:
        Settings(url="postgresql://postgres:s3cr3t@db.ref.supabase.co/postgres", service_role_key=KEY)
    assert "s3cr3t" not in str(raised.value)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="key"):
        Settings.load(ENVIRON, None, key=KEY)  # type: ignore[call-arg]


def test_texts_show_no_key() -> None:
    settings = Settings(
        url=URL,
        service_role_key="s3cr3t-1",
        anon_key="s3cr3t-2",
        token="s3cr3t-3",
        database_url="postgresql://postgres:s3cr3t@db/postgres",
    )
    database = DatabaseSettings("postgresql://postgres:s3cr3t@db/postgres")
    assert "s3cr3t" not in f"{settings!r}{settings}{database!r}{database}"


def test_a_direct_connection_needs_nothing_else() -> None:
    environ = {"SUPABASE_DB_URL": "postgresql://postgres@db/postgres", "SUPAQUEUE_SCHEMA": "jobs_here"}
    assert DatabaseSettings.load(environ, None) == DatabaseSettings(
        "postgresql://postgres@db/postgres", "jobs_here"
    )
    assert DatabaseSettings.load(environ, None, schema="given").schema == "given"
    with pytest.raises(ConfigurationError, match="SUPABASE_DB_URL"):
        DatabaseSettings.load({}, None)
