"""The bytes of messages and rows are kept: nodes of other versions read them."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import pytest

from tests.wire.samples import GOLDEN, MESSAGES, ROWS, SAMPLES, TASK_SPEC
from tork_core.model import messages
from tork_core.model.job import Event, Job, LogPart, Task
from tork_core.model.messages import (
    Claims,
    Heartbeat,
    Message,
    Reports,
    TaskMessage,
    Undecodable,
    decoder,
    encode,
)
from tork_core.model.node import Node

S = TypeVar("S", bound=msgspec.Struct)


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes()


def decode(body: bytes, sample: S) -> S:
    """Decode as a node does: messages with their version checked, rows as they are."""
    if isinstance(sample, Message):
        return decoder(type(sample))(body)
    return msgspec.json.decode(body, type=type(sample))


def changed(name: str, **fields: Any) -> bytes:
    """A golden message with fields set."""
    return msgspec.json.encode(msgspec.json.decode(golden(name)) | fields)


@pytest.mark.parametrize("name", SAMPLES)
def test_encoding_gives_exactly_the_bytes_that_are_kept(name: str) -> None:
    sample = SAMPLES[name]
    body = encode(sample) if isinstance(sample, Message) else msgspec.json.encode(sample)
    assert body == golden(name)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_bytes_that_are_kept_can_be_read(name: str) -> None:
    assert decode(golden(name), SAMPLES[name]) == SAMPLES[name]


def test_every_file_belongs_to_a_sample() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SAMPLES)


def _subclasses(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    return {found for found in vars(messages).values() if _is_below(found, kind)}


def _is_below(found: object, kind: type) -> bool:
    return isinstance(found, type) and issubclass(found, kind) and found is not kind


def test_every_kind_of_message_and_row_has_a_sample() -> None:
    assert {type(sample) for sample in MESSAGES.values()} == _subclasses(Message)
    assert {type(sample) for sample in ROWS.values()} >= {Job, Task, Event, LogPart, Node}


@pytest.mark.parametrize("name", [name for name in SAMPLES if "spec" not in name])
def test_a_full_sample_sets_every_field(name: str) -> None:
    if name.endswith("-least"):
        return
    sample = SAMPLES[name]
    fields = {info.encode_name for info in msgspec.structs.fields(type(sample))}
    written = set(msgspec.json.decode(golden(name)))
    assert fields - written <= {"v"}


def test_a_message_without_a_version_is_of_the_first() -> None:
    assert all(decode(changed(name, v=1), MESSAGES[name]) == MESSAGES[name] for name in MESSAGES)


def test_messages_carry_their_version() -> None:
    bodies = [msgspec.json.decode(encode(sample)) for sample in _messages()]
    assert {body.get("v") for body in bodies} == {messages.VERSION}


def _messages() -> list[Message]:
    return [sample for sample in MESSAGES.values() if isinstance(sample, Message)]


# -- other versions


@pytest.mark.parametrize("name", SAMPLES)
def test_a_field_that_a_later_version_adds_is_passed_over(name: str) -> None:
    if "spec" in name:
        return
    assert decode(changed(name, added={"x": [1]}), SAMPLES[name]) == SAMPLES[name]


def test_fields_that_a_later_version_adds_to_items_are_passed_over() -> None:
    claims = msgspec.json.decode(golden("claims"))
    claims["claims"][0]["added"] = 1
    assert decode(msgspec.json.encode(claims), MESSAGES["claims"]) == MESSAGES["claims"]


@pytest.mark.parametrize("version", [0, 2, 99])
@pytest.mark.parametrize("name", MESSAGES)
def test_another_version_is_refused_by_name(name: str, version: int) -> None:
    kind = type(MESSAGES[name]).__name__
    with pytest.raises(Undecodable, match=f"version {version} of a {kind} message"):
        decode(changed(name, v=version), MESSAGES[name])


def test_a_later_version_of_another_shape_is_refused_for_its_version() -> None:
    with pytest.raises(Undecodable, match="version 2"):
        decoder(Claims)(b'{"v":2,"worker":"w","items":[]}')


def test_a_task_with_a_field_that_is_not_known_here_is_refused_and_not_run_without_it() -> None:
    body = msgspec.json.decode(golden("task-message"))
    body["spec"]["isolation"] = "strict"
    with pytest.raises(Undecodable, match="isolation"):
        decoder(TaskMessage)(msgspec.json.encode(body))


def test_a_state_that_is_not_known_here_is_refused() -> None:
    body = msgspec.json.decode(golden("heartbeat"))
    body["node"]["state"] = "SLEEPING"
    with pytest.raises(Undecodable, match="SLEEPING"):
        decoder(Heartbeat)(msgspec.json.encode(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'"text"',
        b"[" * 100_000,
        b'{"node":"w"}',
        b'{"node":1,"reports":[]}',
        b'{"node":"w","reports":[{}]}',
        b'{"node":"w","reports":[{"jobId":"j","taskId":"t","attempt":1.5,"number":1}]}',
        b'{"node":"w","reports":[{"jobId":"j","taskId":"t","attempt":1,"number":1e99}]}',
        b'{"node":"\\ud800","reports":[]}',
    ],
)
def test_what_is_no_message_is_refused_cleanly(body: bytes) -> None:
    with pytest.raises(Undecodable, match="Reports"):
        decoder(Reports)(body)


def test_a_specification_survives_the_way_to_the_worker_whole() -> None:
    message = decode(golden("task-message"), MESSAGES["task-message"])
    assert isinstance(message, TaskMessage)
    assert message.spec == TASK_SPEC
