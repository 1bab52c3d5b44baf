"""A job's events and log, live, and resumed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

STREAM = {"Accept": "text/event-stream"}
JOB = """
tasks:
- name: first
  run: for i in 1 2 3; do echo line $i; sleep 0.3; done
- name: second
  run: echo last
"""


async def _messages(response: Any) -> AsyncIterator[dict[str, str]]:
    message: dict[str, str] = {}
    async for line in response.content:
        text = line.decode().rstrip("\n")
        if text.startswith(":"):
            yield {"comment": text}
        elif text:
            name, _, value = text.partition(": ")
            message[name] = value
        elif message:
            yield message
            message = {}


async def _follow(api: Any, job_id: str, **headers: str) -> list[dict[str, str]]:
    async with api.session.get(f"/jobs/{job_id}/events", headers={**STREAM, **headers}) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        return [message async for message in _messages(response)]


async def test_a_job_is_followed_from_its_beginning_to_its_end(api: Any) -> None:
    job = await api.submit(JOB)
    messages = await asyncio.wait_for(_follow(api, job["id"]), 20)
    events = [json.loads(m["data"]) for m in messages if m["event"] == "event"]
    assert events == await api.get(f"/jobs/{job['id']}/events")
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert (events[-1]["state"], events[-1].get("taskId")) == ("COMPLETED", None)
    log = "".join(json.loads(m["data"])["contents"] for m in messages if m["event"] == "log")
    assert log == "line 1\nline 2\nline 3\nlast\n"
    ends = next(i for i, m in enumerate(messages) if '"COMPLETED"' in m["data"])
    assert any("line 3" in m["data"] for m in messages[:ends])


async def test_it_comes_live(api: Any) -> None:
    job = await api.submit("tasks: [{run: echo now; sleep 60}]")
    async with api.session.get(f"/jobs/{job['id']}/events", headers=STREAM) as response:
        async with asyncio.timeout(10):
            async for message in _messages(response):
                if "now" in message["data"]:
                    break
            assert (await api.get(f"/jobs/{job['id']}"))["state"] == "RUNNING"
            await api.call("PUT", f"/jobs/{job['id']}/cancel")
            rest = [message async for message in _messages(response)]
    assert json.loads(rest[-1]["data"])["state"] == "CANCELLED"


async def test_a_stream_goes_on_after_any_of_its_messages(api: Any) -> None:
    job = await api.submit(JOB)
    whole = await asyncio.wait_for(_follow(api, job["id"]), 20)
    for count in range(1, len(whole)):
        rest = await _follow(api, job["id"], **{"Last-Event-ID": whole[count - 1]["id"]})
        assert sorted(m["data"] for m in rest) == sorted(m["data"] for m in whole[count:])
    async with api.session.get(
        f"/jobs/{job['id']}/events", headers={**STREAM, "Last-Event-ID": whole[-1]["id"]}
    ) as response:
        assert (response.status, await response.read()) == (204, b"")


async def test_silence_is_kept_alive_by_comments(open_api: Any) -> None:
    async with open_api(keep_alive=0.1) as api:
        job = await api.submit("tasks: [{run: sleep 60}]")
        async with api.session.get(f"/jobs/{job['id']}/events", headers=STREAM) as response:
            async with asyncio.timeout(10):
                async for message in _messages(response):
                    if "comment" in message:
                        break
        await api.call("PUT", f"/jobs/{job['id']}/cancel")


async def test_the_head_of_a_stream_in_which_nothing_happens_is_answered(api: Any) -> None:
    job = await api.submit("tasks: [{run: sleep 60}]")
    await api.running(job["id"])
    events = await api.get(f"/jobs/{job['id']}/events")
    headers = {**STREAM, "Last-Event-ID": f"{events[-1]['number']}-0"}
    with capture_logs() as logs:
        async with api.session.head(f"/jobs/{job['id']}/events", headers=headers) as response:
            assert (response.status, response.content_type) == (200, "text/event-stream")
        await api.call("PUT", f"/jobs/{job['id']}/cancel")
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_unknown_jobs_and_odd_positions_are_errors_before_the_stream(api: Any) -> None:
    status, answer = await api.call("GET", f"/jobs/{'0' * 32}/events", Accept="text/event-stream")
    assert (status, "no job" in answer["error"]) == (404, True)
    job = await api.submit()
    for position in ("x", "1", "-1-2", "1-2-3", "9" * 40 + "-1"):
        status, answer = await api.call(
            "GET", f"/jobs/{job['id']}/events", Accept="text/event-stream", Last_Event_ID=position
        )
        assert (status, "Last-Event-ID" in answer["error"]) == (400, True)


async def test_a_list_of_events_goes_on_after_a_number(api: Any) -> None:
    job = await api.ended((await api.submit())["id"])
    events = await api.get(f"/jobs/{job['id']}/events")
    assert await api.get(f"/jobs/{job['id']}/events?after=2&size=2") == events[2:4]


async def test_closing_the_server_ends_streams_at_once(open_api: Any) -> None:
    async with open_api() as api:
        job = await api.submit("tasks: [{run: sleep 1.5}]")
        following = asyncio.create_task(_follow(api, job["id"]))
        await api.running(job["id"])
        api.server.close()
        messages = await asyncio.wait_for(following, 1)
        assert json.loads(messages[-1]["data"])["state"] != "COMPLETED"


@pytest.mark.parametrize("readers", [50])
async def test_many_follow_one_job(api: Any, readers: int) -> None:
    job = await api.submit(JOB)
    found = await asyncio.wait_for(
        asyncio.gather(*(_follow(api, job["id"]) for _ in range(readers))), 30
    )
    for messages in found:
        assert sorted(m["data"] for m in messages) == sorted(m["data"] for m in found[0])
