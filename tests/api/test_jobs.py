"""Submitting, showing, cancelling: the seed's flow, and the later forms of its paths."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from typing import Any

import pytest

JSON_JOB = json.dumps({"name": "sample job", "tasks": [{"name": "sample", "run": "echo hello"}]})
SEED = """\
---
name: hello job
tasks:
  - name: say hello
    image: ubuntu:mantic
    run: |
      echo -n hello world
  - name: say goodbye
    image: ubuntu:mantic
    run: |
      echo -n bye world
"""


@pytest.mark.parametrize("path", ["/job", "/jobs"])
async def test_the_seeds_flow(api: Any, path: str) -> None:
    status, job = await api.call("POST", path, SEED, Content_type="text/yaml")
    assert status == 200
    assert (job["name"], job["state"]) == ("hello job", "PENDING")
    assert [task["name"] for task in job["tasks"]] == ["say hello", "say goodbye"]
    assert len(job["id"]) == 32
    ended = await api.ended(job["id"])
    assert ended == await api.get(f"/job/{job['id']}")
    assert ended["state"] == "COMPLETED"
    assert ended["createdAt"] == job["createdAt"]
    assert [task["state"] for task in ended["execution"]] == ["COMPLETED", "COMPLETED"]
    log = await api.get(f"/tasks/{ended['execution'][0]['id']}/log")
    assert "hello world" in log["items"][0]["contents"]


async def test_the_seeds_json_with_its_odd_image(api: Any) -> None:
    body = {"name": "sample job", "tasks": [{"image": "ubuntu:mantic,", "run": "echo hello"}]}
    status, job = await api.call("POST", "/job", json.dumps(body), Content_Type="application/json")
    assert (status, job["tasks"]) == (200, [{"image": "ubuntu:mantic,", "run": "echo hello"}])
    assert (await api.ended(job["id"]))["state"] == "COMPLETED"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/yaml", SEED),
        ("TEXT/YAML; Charset=UTF-8", SEED),
        ("application/yaml", SEED),
        ("application/x-yaml;charset=utf-8", SEED),
        ("application/json", JSON_JOB),
        ('Application/JSON; charset="utf-8"', JSON_JOB),
        ("text/yaml", "﻿" + SEED.replace("\n", "\r\n")),
    ],
)
async def test_content_types_in_any_case_with_parameters(
    api: Any, content_type: str, body: str
) -> None:
    status, job = await api.call("POST", "/jobs", body.encode(), Content_Type=content_type)
    assert status == 200, job


async def test_chunked_and_compressed_bodies(api: Any) -> None:
    async def chunks() -> Any:
        for start in range(0, len(SEED), 7):
            yield SEED[start : start + 7].encode()

    status, _ = await api.call("POST", "/jobs", chunks(), Content_Type="text/yaml")
    assert status == 200
    for coding, data in (
        ("gzip", gzip.compress(SEED.encode())),
        ("deflate", zlib.compress(SEED.encode())),
    ):
        status, answer = await api.call(
            "POST", "/jobs", data, Content_Type="text/yaml", Content_Encoding=coding
        )
        assert status == 200, answer


async def test_a_body_after_100_continue(api: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    body = SEED.encode()
    head = (
        f"POST /job HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/yaml\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    writer.write(head.encode())
    assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 100 Continue\r\n"
    assert await reader.readline() == b"\r\n"
    writer.write(body)
    assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 200 OK\r\n"
    writer.close()


async def test_who_would_send_too_much_is_told_before(api: Any) -> None:
    answer = await api.raw(
        b"POST /job HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/yaml\r\n"
        b"Content-Length: 999999999\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        within=15,
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


async def test_cancelling_a_running_a_queued_and_an_ended_job(api: Any) -> None:
    sleeping = [await api.submit("tasks: [{run: sleep 60}]") for _ in range(6)]
    await api.running(sleeping[0]["id"])
    for job in (sleeping[0], sleeping[-1]):
        assert await api.call("PUT", f"/job/{job['id']}/cancel") == (200, {"status": "OK"})
    for job in sleeping[1:-1]:
        assert await api.call("PUT", f"/jobs/{job['id']}/cancel") == (200, {"status": "OK"})
    for job in sleeping:
        assert (await api.get(f"/job/{job['id']}"))["state"] == "CANCELLED"
        assert await api.call("PUT", f"/job/{job['id']}/cancel") == (
            400,
            {"error": "job is not running"},
        )


async def test_an_idempotency_key_makes_fifty_submissions_one_job(api: Any) -> None:
    jobs = await asyncio.gather(*(api.submit(Idempotency_Key="the key") for _ in range(50)))
    assert len({job["id"] for job in jobs}) == 1
    assert all(job == jobs[0] for job in jobs)
    assert (await api.get("/jobs"))["totalItems"] == 1
    status, answer = await api.call(
        "POST", "/jobs", SEED, Content_Type="text/yaml", Idempotency_Key="the key"
    )
    assert (status, "idempotency key" in answer["error"]) == (409, True)


async def test_secrets_are_hidden_everywhere(api: Any) -> None:
    job = await api.submit(
        "inputs: {dbPassword: open-sesame}\n"
        "tasks:\n"
        "- name: talks of open-sesame\n"
        "  var: out\n"
        "  env: {API_SECRET: '{{ inputs.dbPassword }}'}\n"
        "  run: echo $API_SECRET open-sesame; echo -n $API_SECRET > $TORK_OUTPUT; false\n"
    )
    for item in [job, *await shown_of(api, job["id"])]:
        assert "open-sesame" not in json.dumps(item)
        assert "[REDACTED]" in json.dumps(item)


async def shown_of(api: Any, job_id: str) -> list[Any]:
    """All that is shown of a job once it has ended, and of its last task."""
    ended = await api.ended(job_id)
    task = ended["execution"][-1]
    paths = (
        "/jobs",
        f"/jobs/{job_id}/log",
        f"/jobs/{job_id}/events",
        f"/tasks/{task['id']}",
        f"/tasks/{task['id']}/log",
    )
    shown = [ended, *[await api.get(path) for path in paths]]
    async with api.session.get(
        f"/jobs/{job_id}/events", headers={"Accept": "text/event-stream"}
    ) as response:
        shown.append(await response.text())
    return shown


async def test_what_only_an_earlier_task_knows_as_a_secret_is_hidden_everywhere(api: Any) -> None:
    job = await api.submit(
        "inputs: {plain: open-sesame}\n"
        "tasks:\n"
        "- {var: the_secret, run: 'echo -n simsa > $TORK_OUTPUT; echo -n labim >> $TORK_OUTPUT'}\n"
        "- {var: out, run: 'echo -n abra > $TORK_OUTPUT; echo -n cadabra >> $TORK_OUTPUT'}\n"
        "- run: 'true'\n"
        "  env: {API_SECRET: '{{ inputs.plain }}', DB_PASSWORD: '{{ tasks.out }}'}\n"
        "- name: 'talks of {{ inputs.plain }} and {{ tasks.the_secret }}'\n"
        "  env: {A: '{{ inputs.plain }}', B: '{{ tasks.the_secret }}', C: '{{ tasks.out }}'}\n"
        "  run: echo $A $B $C; false\n"
    )
    for item in await shown_of(api, job["id"]):
        assert "open-sesame" not in json.dumps(item)
        assert "simsalabim" not in json.dumps(item)
        assert "abracadabra" not in json.dumps(item)
        assert "[REDACTED]" in json.dumps(item)


async def test_a_thousand_jobs_at_once_complete_while_the_api_answers(api: Any) -> None:
    room = asyncio.Semaphore(200)

    async def submit() -> str:
        async with room:
            return (await api.submit("tasks: [{run: ':'}]"))["id"]

    slowest = 0.0

    async def keep_asking() -> None:
        nonlocal slowest
        while True:
            started = time.monotonic()
            await api.get("/health")
            slowest = max(slowest, time.monotonic() - started)
            await asyncio.sleep(0.05)

    asking = asyncio.create_task(keep_asking())
    ids = await asyncio.gather(*(submit() for _ in range(1000)))
    deadline = time.monotonic() + 60
    states: set[str] = set()
    while states != {"COMPLETED"}:
        assert time.monotonic() < deadline, states
        await asyncio.sleep(0.5)
        pages = [await api.get(f"/jobs?page={page}&size=100") for page in range(1, 11)]
        states = {job["state"] for page in pages for job in page["items"]}
        assert {job["id"] for page in pages for job in page["items"]} == set(ids)
    asking.cancel()
    assert slowest < 2
