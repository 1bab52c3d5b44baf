"""Queues one by one, what passes through them, and which may be deleted."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from tests.docs.blocks import ROOT, blocks
from tork_core.settings.secret import Secret
from tork_core.testing.waiting import eventually

ODD = ["a/b", "a b", "..", "héllo wörld", "日本", "a:b", "%2F", "q?x=1#y", "é" * 127]
STREAM = {"Accept": "text/event-stream"}


class Watch:
    """An open stream of what passes."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.text = ""
        self.seen: list[dict[str, Any]] = []

    async def until(self, enough: Any, within: float = 20) -> list[dict[str, Any]]:
        """Read until what was seen is enough."""
        async with asyncio.timeout(within):
            while not enough(self.seen):
                line = (await self.response.content.readline()).decode()
                assert line, "the stream has ended"
                self.text += line
                if line.startswith("data: "):
                    self.seen.append(json.loads(line.removeprefix("data: ")))
        return self.seen


@asynccontextmanager
async def watching(api: Any, name: str, *others: str) -> AsyncIterator[Watch]:
    """Watch queues; entered when the observation has begun."""
    query = "&".join(f"queue={quote(other, safe='')}" for other in others)
    url = URL(
        f"http://localhost:{api.port}/queues/{quote(name, safe='')}/messages?{query}", encoded=True
    )
    async with api.session.get(url, headers=STREAM) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        assert await response.content.readline() == b": watching\n"
        yield Watch(response)


def path_of(name: str) -> str:
    return f"/queues/{quote(name, safe='').replace('.', '%2E')}"


async def call(api: Any, method: str, path: str) -> tuple[int, Any]:
    url = URL(f"http://localhost:{api.port}{path}", encoded=True)
    async with api.session.request(method, url) as response:
        return response.status, await response.json()


async def worker_queue(api: Any) -> str:
    queues = await eventually(
        lambda: api.get("/queues"),
        lambda found: any(queue["name"].startswith("x-") for queue in found),
        within=20,
    )
    return next(queue["name"] for queue in queues if queue["name"].startswith("x-"))


async def test_the_special_queues_are_there_from_the_start(api: Any) -> None:
    own = await worker_queue(api)
    for name in ("jobs", "pending", "started", "completed", "error", "heartbeat", "logs"):
        queue = await api.get(f"/queues/{name}")
        assert (queue["name"], queue["subscribers"]) == (name, 1)
        assert {"size", "unacked"} < set(queue)
    assert (await api.get(f"/queues/{own}"))["subscribers"] == 1
    assert (await api.get("/queues/default"))["subscribers"] == 4
    assert (await api.get("/queues/hearbeat"))["name"] == "heartbeat"
    names = [queue["name"] for queue in await api.get("/queues")]
    assert names == sorted({*names, "jobs", "pending", "started", "completed", "error"})
    assert not {"hearbeat", "events"} & set(names)


async def test_an_unknown_queue_is_404(api: Any) -> None:
    for path in ("/queues/nobody", "/queues/x-nobody", "/queues/x-nobody/messages"):
        for method in ("GET", "DELETE") if "messages" not in path else ("GET",):
            status, body = await api.call(method, path)
            if method == "DELETE" and "x-" in path:
                assert (status, "engine itself" in body["error"]) == (400, True)
            else:
                assert (status, "no queue" in body["error"]) == (404, True)


@pytest.mark.parametrize("name", ODD)
async def test_a_queue_with_an_odd_name_is_found_watched_and_deleted(api: Any, name: str) -> None:
    async with watching(api, name) as watch:
        job = await api.submit(json.dumps({"tasks": [{"run": "true", "queue": name}]}))
        [task] = await watch.until(bool)
        assert (task["queue"], task["jobId"]) == (name, job["id"])
    assert await call(api, "GET", path_of(name)) == (
        200, {"name": name, "size": 1, "subscribers": 0, "unacked": 0},
    )  # fmt: skip
    assert name in [queue["name"] for queue in await api.get("/queues")]
    assert (await api.get(f"/jobs/{job['id']}"))["unservedQueues"] == [name]
    assert await call(api, "DELETE", path_of(name)) == (200, {"status": "OK"})
    assert (await call(api, "GET", path_of(name)))[0] == 404
    await api.call("PUT", f"/jobs/{job['id']}/cancel")


async def test_the_queues_of_the_engine_cannot_be_deleted(api: Any) -> None:
    own = await worker_queue(api)
    for name in ("jobs", "pending", "started", "completed", "error", "heartbeat", "hearbeat", own):
        status, body = await api.call("DELETE", f"/queues/{name}")
        assert (status, "queue of the engine itself" in body["error"]) == (400, True)
    job = await api.ended((await api.submit())["id"])
    assert job["state"] == "COMPLETED"


async def test_a_queue_that_was_deleted_is_served_again(api: Any) -> None:
    assert (await api.call("DELETE", "/queues/default"))[0] == 200
    assert (await api.ended((await api.submit())["id"]))["state"] == "COMPLETED"


async def test_the_way_of_a_job_through_all_queues_of_the_seed(api: Any) -> None:
    own = await worker_queue(api)
    names = ["jobs", "pending", "default", "started", "completed", "error", "hearbeat", own]
    async with watching(api, *names) as watch:
        job = await api.submit(
            "tasks:\n- run: 'true'\n- {run: 'true', if: '{{ false }}'}\n"
            "- {run: exit 3, retry: {limit: 1}}\n"
        )
        seen = await watch.until(
            lambda seen: (
                any(one["queue"] == "jobs" and one["state"] == "FAILED" for one in seen)
                and any(one["queue"] == "hearbeat" for one in seen)
            )
        )
    by_queue = {
        name: [
            one for one in seen if one["queue"] == name and one.get("jobId", job["id"]) == job["id"]
        ]
        for name in names
    }
    ended = await api.get(f"/jobs/{job['id']}")
    ids = [task["id"] for task in ended["execution"]]
    states = [one["state"] for one in by_queue["jobs"]]
    assert states == ["PENDING", "SCHEDULED", "RUNNING", "FAILED"]
    assert [one["taskId"] for one in by_queue["pending"]] == ids
    run = [task["id"] for task in ended["execution"] if task["state"] != "SKIPPED"]
    assert len(run) == 3
    for queue, kind in (("default", "task"), ("started", "claim")):
        assert [(one["taskId"], one["kind"]) for one in by_queue[queue]] == [
            (id, kind) for id in run
        ]
    node = own.removeprefix("x-")
    assert [(one["state"], one["node"]) for one in by_queue["completed"]] == [("COMPLETED", node)]
    assert [one["state"] for one in by_queue["error"]] == ["FAILED", "FAILED"]
    orders = [(one["state"], one["node"]) for one in by_queue[own]]
    assert orders.count(("GRANTED", node)) == 3
    assert {one["kind"] for one in by_queue["hearbeat"]} == {"heartbeat"}
    assert all(one["at"].endswith("Z") for one in seen)


async def test_heartbeats_are_seen_under_both_names(api: Any) -> None:
    async with watching(api, "heartbeat", "hearbeat") as watch:
        seen = await watch.until(lambda seen: len({one["queue"] for one in seen}) == 2)
    assert {one["state"] for one in seen} == {"UP"}


async def test_no_value_of_a_task_and_nothing_it_wrote_is_shown(api: Any) -> None:
    names = ["jobs", "pending", "default", "started", "completed", "error", "logs", "events"]
    async with watching(api, *names) as watch:
        await api.submit(
            "name: mysecret\ninputs: {API_SECRET: mysecret}\ntasks:\n"
            "- {name: mysecret, var: v, env: {A_PASSWORD: mysecret, PLAIN: mysecret},"
            " run: 'echo mysecret; echo mysecret > $TORK_OUTPUT'}\n"
            "- {run: 'echo mysecret >&2; exit 1'}\n"
        )
        seen = await watch.until(
            lambda seen: (
                {one["queue"] for one in seen} >= set(names) - {"error"}
                and any(one["queue"] == "error" for one in seen)
            )
        )
    assert "mysecret" not in watch.text
    known = {"queue", "kind", "at", "jobId", "taskId", "attempt", "state", "node", "claim"}
    assert {field for one in seen for field in one} <= known


async def test_the_stream_is_guarded_and_ends_with_the_server(open_api: Any) -> None:
    async with open_api(key=Secret("k")) as api:
        for path in ("/queues/jobs", "/queues/jobs/messages"):
            assert (await api.call("GET", path))[0] == 401
        assert (await api.call("DELETE", "/queues/default"))[0] == 401
        url = f"http://localhost:{api.port}/queues/jobs/messages"
        async with api.session.get(url, headers={"X-API-Key": "k"}) as response:
            assert await response.content.readline() == b": watching\n"
            api.server.close()
            await asyncio.wait_for(response.content.read(), 5)


async def test_silence_on_a_queue_is_kept_alive(open_api: Any) -> None:
    async with open_api(keep_alive=0.1) as api, watching(api, "nobody") as watch:
        async with asyncio.timeout(10):
            while await watch.response.content.readline() != b": still here\n":
                pass


async def test_bad_names_of_further_queues_are_400(api: Any) -> None:
    for query in ("queue=", "&".join(f"queue=q{n}" for n in range(200))):
        status, body = await api.call("GET", f"/queues/jobs/messages?{query}")
        assert (status, "queue" in body["error"]) == (400, True)


async def test_a_job_says_which_queues_nobody_serves(api: Any) -> None:
    job = await api.submit("tasks: [{run: 'true', queue: nobody}]")
    assert (await api.get(f"/jobs/{job['id']}"))["unservedQueues"] == ["nobody"]
    await api.call("PUT", f"/jobs/{job['id']}/cancel")
    assert "unservedQueues" not in await api.get(f"/jobs/{job['id']}")


async def test_a_queue_whose_last_worker_has_gone_is_unserved(api: Any) -> None:
    await api.ended((await api.submit())["id"])
    await api.engine.drain()
    assert (await api.get("/queues/default"))["subscribers"] == 0
    job = await api.submit()
    assert (await api.get(f"/jobs/{job['id']}"))["unservedQueues"] == ["default"]


@pytest.mark.parametrize(
    "job",
    [
        "tasks: [{run: x, queue: jobs}]",
        "tasks: [{run: x, queue: hearbeat}]",
        "tasks: [{run: x, queue: events}]",
        "tasks: [{run: x, queue: x-1234}]",
        "tasks: [{run: x, queue: ' jobs '}]",
        "tasks: [{run: x}]\ndefaults: {queue: pending}",
        "tasks: [{run: x}]\ndefaults: {queue: ' x-1'}",
    ],
)
async def test_a_task_for_a_queue_of_the_engine_is_refused_with_its_field(
    api: Any, job: str
) -> None:
    status, body = await api.call("POST", "/jobs", job, Content_Type="text/yaml")
    assert status == 400
    field = "$.defaults.queue" if "defaults" in job else "$.tasks[0].queue"
    assert field in body["error"]


@pytest.mark.parametrize("name", ["jobs", "hearbeat", "x-1", " fast", "events"])
async def test_a_template_that_gives_a_queue_of_the_engine_fails_its_task(
    api: Any, name: str
) -> None:
    job = {
        "inputs": {"q": name},
        "tasks": [{"run": "true"}, {"run": "true", "queue": "{{ inputs.q }}"}],
    }
    ended = await api.ended((await api.submit(json.dumps(job)))["id"])
    assert ended["state"] == "FAILED"
    assert "tasks[1].queue" in ended["error"]


async def test_what_passes_has_the_fields_that_the_reference_shows(api: Any) -> None:
    """``rest.md`` shows the command, and one item."""
    page = ROOT / "docs" / "reference" / "rest.md"
    command, shown = (
        block.text for block in blocks(page) if block.tested_by == "tests/api/test_queues.py"
    )
    path = command[command.index("/queues") :].strip().rstrip('"')
    async with api.session.get(f"http://localhost:{api.port}{path}", headers=STREAM) as response:
        watch = Watch(response)
        await api.submit()
        seen = await watch.until(
            lambda seen: any(item["queue"] == "completed" for item in seen), within=20
        )
    found = next(item for item in seen if item["queue"] == "completed")
    example = json.loads(re.sub("^.*data: ", "", shown.strip(), flags=re.DOTALL))
    assert list(found) == list(example)
    assert (found["kind"], found["state"]) == (example["kind"], example["state"])
