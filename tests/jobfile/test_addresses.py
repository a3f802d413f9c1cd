"""Data files behind addresses: what a job file may say, and that no secret is written down."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestrator.errors import InvalidJobFile
from orchestrator.jobfile import load_job_file
from orchestrator.jobfile.addresses import Address, place_of, private_address_of

PLAIN = "https://acme.blob.core.windows.net/data/train.jsonl"


def job(tmp_path: Path, training_file: str) -> Path:
    path = tmp_path / "job.toml"
    path.write_text(f'name = "a"\nmodel = "gpt-4.1"\n[data]\ntraining_file = "{training_file}"\n')
    return path


def test_an_address_is_taken_as_it_stands_and_a_path_from_its_folder(tmp_path):
    loaded = load_job_file(job(tmp_path, PLAIN))
    assert loaded.training_place == Address(PLAIN)
    assert loaded.training_path is None
    assert place_of("data/a.jsonl", tmp_path) == tmp_path / "data" / "a.jsonl"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f"{PLAIN}?sv=2024-01-01&sig=abc%3D",
            "contains a secret, and others can read job files: put the text after the ?",
        ),
        (f"{PLAIN}?sig", "contains a secret"),
        ("https://me:pw@host/a.jsonl", "contains a user name or password"),
        ("https:///a.jsonl", "is not a complete address"),
        (
            "https://${SECRET}.evil.example/a.jsonl",
            "is not a complete address; a variable may only follow the host's name",
        ),
        ("https://host%2eevil/a.jsonl", "is not a complete address"),
        ("https://[::1/a.jsonl", "is not a complete address"),
        ("https://host /a.jsonl", "is not a complete address"),
    ],
)
def test_an_address_that_does_not_belong_in_a_job_file_is_refused_with_the_way_out(text, problem, tmp_path):
    with pytest.raises(InvalidJobFile) as caught:
        load_job_file(job(tmp_path, text))
    [told] = caught.value.problems
    assert told.startswith(f"{tmp_path}/job.toml:4: data.training_file {problem}")
    assert "abc" not in told


def test_variables_are_filled_in_only_where_the_address_is_used(monkeypatch):
    address = Address(f"{PLAIN}?${{SAS_TOKEN}}")
    assert address.unset == ["SAS_TOKEN"]
    assert address.problem is None
    monkeypatch.setenv("SAS_TOKEN", "?sv=1&sig=secret ")
    assert (address.unset, str(address)) == ([], f"{PLAIN}?${{SAS_TOKEN}}")
    assert address.whole == f"{PLAIN}?sv=1&sig=secret"
    assert "secret" not in repr(address)


def test_what_a_host_quotes_of_a_variable_is_hidden_again(monkeypatch):
    monkeypatch.setenv("SAS_TOKEN", "sv=1&sig=secret")
    address = Address(f"{PLAIN}?${{SAS_TOKEN}}")
    assert address.hidden_in(f"can't fetch {address.whole}") == f"can't fetch {PLAIN}?${{SAS_TOKEN}}"


@pytest.mark.parametrize("quoted", ["sv=1&sig=a%2Fsecret%3D", "sv=1&sig=a/secret=", "a/secret=", "a%2Fsecret%3D"])
def test_the_secret_of_a_signature_is_hidden_however_it_is_quoted(monkeypatch, quoted):
    monkeypatch.setenv("SAS_TOKEN", "?sv=1&sig=a%2Fsecret%3D")
    hidden = Address(f"{PLAIN}?${{SAS_TOKEN}}").hidden_in(f"the signature '{quoted}' is not valid")
    assert hidden == "the signature '${SAS_TOKEN}' is not valid"


def test_the_name_is_the_files_own():
    assert Address(f"{PLAIN}?${{A}}").name == "train.jsonl"
    assert Address("https://host").name == "data"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f000001", "0x7f.1", "127.0.0.1.", "localhost"),
        *("LocalHost.", "db.localhost", "10.1.2.3", "192.168.0.1", "172.16.0.9", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[ff02::1]"),
        *("[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]"),
        *("①②⑦.⓪.⓪.①", "127。0。0。1"),
    ],
)
def test_an_address_that_leads_into_a_private_network_is_doubted_however_it_is_spelled(host):
    assert "points to a private address" in (Address(f"https://{host}/a.jsonl").doubt or "")


def test_a_public_address_is_not_doubted_and_http_is():
    assert Address(PLAIN).doubt is None
    assert Address("https://8.8.8.8/a.jsonl").doubt is None
    assert Address("https://[2606:4700::1111]/a.jsonl").doubt is None
    assert Address("https://10.example.com/a.jsonl").doubt is None
    assert Address("http://acme.blob.core.windows.net/a.jsonl").doubt == "is not encrypted"


def test_a_name_is_followed_to_the_addresses_that_it_leads_to(monkeypatch):
    def known(host, *_, **__):
        if host == "unknown.example":
            raise socket.gaierror
        return [(0, 0, 0, "", ("93.184.215.14", 0)), (0, 0, 0, "", (host, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", known)
    assert private_address_of("10.0.0.5") == "10.0.0.5"
    assert private_address_of("fe80::1%eth0") == "fe80::1"
    assert private_address_of("93.184.215.14") is None
    assert private_address_of("unknown.example") is None


def test_the_variables_that_nobody_listed_are_named_once():
    address = Address(f"{PLAIN}?${{A}}&${{B}}&${{B}}")
    assert address.unlisted(["A"]) == ["B"]
    assert address.unlisted(["A", "B"]) == []
