"""An upload whose answer was lost: only a hash in the name, or the bytes themselves, make a file ours."""

from __future__ import annotations

import re

import pytest
from support.scripted_host import CREATE, LOST, UPLOAD, Answer, refusal

CONTENT = "GET /files/[^/]+/content"


def content_of(asked):
    """The file in a multipart body."""
    return re.search(rb'filename="[^"]*"\r\n(?:[^\r]+\r\n)*\r\n(.*?)\r\n--', asked.content, re.DOTALL)[1]


@pytest.fixture
def kept(host):
    """The host keeps the first file under a name that is given here, and its answer is lost."""

    def kept(name=None, change=lambda content: content):
        def keep(asked):
            content = change(content_of(asked))
            sent = re.search(rb'filename="([^"]*)"', asked.content)[1].decode()
            made = {"id": "file-lost", "object": "file", "purpose": "fine-tune", "status": "processed"}
            host.files["file-lost"] = {**made, "filename": name or sent.upper(), "bytes": len(content)}
            host.on(CONTENT, Answer(200, content, {"content-type": "application/octet-stream"}))
            return LOST

        host.on(UPLOAD, keep, times=1)

    return kept


def used(host):
    return next(asked.fields["training_file"] for asked in host.asked if asked.line == CREATE)


def test_a_hash_in_a_name_that_the_host_changed_is_enough(host, customer, kept):
    kept()
    host.on(CONTENT, refusal(403, "Not allowed to download files of purpose: fine-tune"))
    assert customer.submit().code == 0
    assert (host.count(UPLOAD), used(host), len(host.jobs)) == (1, "file-lost", 1)


def test_a_file_of_another_name_is_ours_if_its_bytes_are(host, customer, kept):
    kept("upload.jsonl")
    assert customer.submit().code == 0
    assert (host.count(UPLOAD), used(host)) == (1, "file-lost")


def test_a_file_of_the_same_size_with_other_bytes_is_not_ours(host, customer, kept):
    kept("upload.jsonl", lambda content: content[::-1])
    assert customer.submit().code == 0
    assert (host.count(UPLOAD), host.count(CONTENT), len(host.jobs)) == (2, 1, 1)
    assert used(host) != "file-lost"


def test_a_file_that_cannot_be_downloaded_is_sent_again(host, customer, kept):
    kept("upload.jsonl")
    host.on("GET /files", lambda asked: host.on(CONTENT, refusal(403, "Not allowed to download.")), times=1)
    assert customer.submit().code == 0
    assert (host.count(UPLOAD), len(host.jobs)) == (2, 1)
    assert used(host) != "file-lost"
