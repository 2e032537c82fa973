"""A vendor's variables: where their values come from, which values are refused, and how a new key is picked up."""

import os
from pathlib import Path

import pytest

from workers.app.config.credentials import VendorCredentials, load_credentials
from workers.app.config.errors import ConfigError
from workers.vendors.contract import Variable, Vendor

CANARY = "canary-51c0"
ACME = Vendor(
    "acme",
    "Acme",
    (
        Variable("BASE_URL", default="https://api.acme.example"),
        Variable("KEY", secret=True),
        Variable("UNIT", required=False),
    ),
)


def load(environ: dict[str, str], *, allow_http: bool = False) -> VendorCredentials:
    return load_credentials(ACME, "ACME", environ, allow_http=allow_http)


def fault(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(environ)
    assert CANARY not in str(caught.value)
    return str(caught.value)


def replace(file: Path, text: str) -> None:
    """Replace the whole file by a rename, as Kubernetes does with a mounted secret."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def test_defaults_and_optional_variables_need_not_be_set() -> None:
    credentials = load({"ACME_KEY": "k"})
    assert credentials["BASE_URL"] == "https://api.acme.example"
    assert credentials["KEY"] == "k"
    assert credentials["UNIT"] == ""


def test_two_business_units_have_variables_of_different_prefixes() -> None:
    assert load_credentials(ACME, "ACME_EAST", {"ACME_EAST_KEY": "east", "ACME_KEY": "west"})["KEY"] == "east"


def test_a_missing_variable_is_named_with_the_misspelt_one_that_is_set() -> None:
    message = fault({"ACME_KYE": CANARY})
    assert message.startswith("ACME_KEY: ")
    assert "ACME_KYE" in message
    assert "ACME_KEY_FILE" in message


@pytest.mark.parametrize("key", [f"{CANARY}\r\nX-Evil: 1", f" {CANARY}", f"{CANARY}\n", f"{CANARY}\x00"])
def test_a_key_that_would_split_a_header_is_refused(key: str) -> None:
    assert fault({"ACME_KEY": key}).startswith("ACME_KEY: ")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.acme.example",
        f"https://me:{CANARY}@api.acme.example",
        "ftp://api.acme.example",
        "api.acme.example",
        "https://",
        "https://host:port",
        "https://a host",
        f"https://api.acme.example/?key={CANARY}",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://169.254.169.254",
        "http://2130706433",
    ],
)
def test_an_address_that_a_secret_must_not_go_to_is_refused(url: str) -> None:
    assert fault({"ACME_KEY": "k", "ACME_BASE_URL": url}).startswith("ACME_BASE_URL: ")


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.1:1/v1", "http://[::1]:1", "https://x.example"])
def test_https_and_loopback_addresses_are_accepted(url: str) -> None:
    assert load({"ACME_KEY": "k", "ACME_BASE_URL": url})["BASE_URL"] == url


def test_plain_http_is_accepted_when_it_is_allowed() -> None:
    assert (
        load({"ACME_KEY": "k", "ACME_BASE_URL": "http://x.example"}, allow_http=True)["BASE_URL"] == "http://x.example"
    )


def test_a_new_key_in_the_file_is_used_and_raises_the_version(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old\n")
    credentials = load({"ACME_KEY_FILE": str(file)})
    before = credentials.version
    replace(file, "new\n")
    assert credentials["KEY"] == "new"
    assert credentials.version == before + 1


def test_the_version_alone_shows_that_a_key_is_new(tmp_path: Path) -> None:
    """A shut gate reads only the version."""
    file = tmp_path / "key"
    file.write_text("old")
    credentials = load({"ACME_KEY_FILE": str(file)})
    before = credentials.version
    assert credentials.version == before
    replace(file, "new")
    assert credentials.version > before


def test_a_file_written_again_with_the_same_value_keeps_the_version(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("same")
    credentials = load({"ACME_KEY_FILE": str(file)})
    before = credentials.version
    os.utime(file, ns=(1, 1))
    replace(file, "same\n")
    assert credentials.version == before


@pytest.mark.parametrize("content", [None, "", "\n", "half\x00", "two\nlines\n"])
def test_a_missing_or_half_written_file_keeps_the_old_key_and_is_logged_once(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    credentials = load({"ACME_KEY_FILE": str(file)})
    if content is None:
        file.unlink()
    else:
        replace(file, content)
    assert credentials["KEY"] == credentials["KEY"] == "old"
    (logged,) = (record.__dict__["values"] for record in caplog.records)
    assert logged["variable"] == "ACME_KEY_FILE"
    assert "the former value stays" in logged["detail"]
    replace(file, "new")
    assert credentials["KEY"] == "new"


def test_an_unsafe_new_address_in_the_file_keeps_the_old_address(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("https://a.example")
    credentials = load({"ACME_KEY": "k", "ACME_BASE_URL_FILE": str(file)})
    replace(file, "http://evil.example")
    assert credentials["BASE_URL"] == "https://a.example"


def test_repr_does_not_show_the_values() -> None:
    assert CANARY not in repr(load({"ACME_KEY": CANARY}))
