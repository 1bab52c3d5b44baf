"""Pages of jobs and logs, single tasks, queues, nodes, health."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tork_memory.datastore import MemoryDatastore

from tork_core.errors import Unavailable


async def _next(api: Any, path: str) -> tuple[Any, str | None]:
    """A page, and where its Link says that the next one is."""
    async with api.session.get(path) as response:
        found = re.search(r'<([^>]*)>; rel="next"', response.headers.get("Link", ""))
        return await response.json(), found[1] if found else None


async def test_jobs_come_in_pages_the_newest_first(api: Any) -> None:
    assert await api.get("/jobs") == {
        "items": [], "number": 1, "size": 10, "totalPages": 0, "totalItems": 0,
    }  # fmt: skip
    ids = [(await api.submit())["id"] for _ in range(13)]
    page = await api.get("/jobs")
    assert [job["id"] for job in page["items"]] == ids[:2:-1]
    assert (page["number"], page["size"]) == (1, 10)
    assert (page["totalPages"], page["totalItems"]) == (2, 13)
    assert {"id", "name", "state", "createdAt", "taskCount"} <= set(page["items"][0])
    assert not {"tasks", "execution", "context"} & set(page["items"][0])
    page = await api.get("/jobs?page=3&size=5")
    assert [job["id"] for job in page["items"]] == ids[2::-1]
    assert (await api.get("/jobs?page=99"))["items"] == []


async def test_the_pages_that_links_lead_to_stay_while_jobs_arrive(api: Any) -> None:
    ids = [(await api.submit())["id"] for _ in range(9)]
    page, following = await _next(api, "/jobs?size=4")
    seen = [job["id"] for job in page["items"]]
    while following:
        await api.submit()
        page, following = await _next(api, following)
        seen += [job["id"] for job in page["items"]]
    assert seen == ids[::-1]


async def test_the_pages_of_a_log_go_back_in_time(api: Any) -> None:
    job = await api.submit(
        "tasks:\n- run: for i in 1 2 3; do echo line $i; sleep 0.4; done\n- run: echo other\n"
    )
    ended = await api.ended(job["id"])
    page = await api.get(f"/jobs/{job['id']}/log")
    assert (page["number"], page["size"], page["totalPages"]) == (1, 25, 1)
    assert page["totalItems"] == len(page["items"]) >= 4
    assert page["items"][0]["contents"] == "other\n"
    assert {"id", "number", "taskId", "contents", "createdAt"} <= set(page["items"][0])
    text = "".join(part["contents"] for part in reversed(page["items"]))
    assert text == "line 1\nline 2\nline 3\nother\n"
    seen, following = [], f"/jobs/{job['id']}/log?size=1"
    while following:
        found, following = await _next(api, following)
        seen += found["items"]
    assert seen == page["items"]
    task = ended["execution"][0]["id"]
    mine = (await api.get(f"/tasks/{task}/log"))["items"]
    assert mine == [part for part in page["items"] if part["taskId"] == task]


async def test_a_task_is_shown_as_its_job_shows_it(api: Any) -> None:
    job = await api.ended((await api.submit("tasks: [{run: 'true'}, {run: 'false'}]"))["id"])
    for task in job["execution"]:
        assert await api.get(f"/tasks/{task['id']}") == task


async def test_queues_are_those_that_hold_or_serve_something(api: Any) -> None:
    queues = {queue["name"]: queue for queue in await api.get("/queues")}
    assert {"jobs", "pending", "started", "completed", "error", "heartbeat"} <= set(queues)
    assert queues["default"] == {"name": "default", "size": 0, "subscribers": 4, "unacked": 0}
    job = await api.submit("tasks: [{run: 'true', queue: nobody}]")
    queues = {queue["name"]: queue for queue in await api.get("/queues")}
    assert queues["nobody"] == {"name": "nobody", "size": 1, "subscribers": 0, "unacked": 0}
    await api.call("PUT", f"/jobs/{job['id']}/cancel")


async def test_nodes_are_the_worker_and_the_coordinator(api: Any) -> None:
    await api.ended((await api.submit())["id"])
    nodes = {node["kind"]: node for node in await api.get("/nodes")}
    assert set(nodes) == {"coordinator", "worker"}
    assert nodes["worker"]["queues"] == {"default": 4}
    assert nodes["worker"]["status"] == "UP"


async def test_health(api: Any) -> None:
    health = await api.get("/health")
    assert health["status"] == "UP"
    assert health["version"]


async def test_a_datastore_that_only_reads_is_down(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: MemoryDatastore, name: str, position: int) -> None:
        raise Unavailable("datastore", "the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryDatastore, "move_mark", refuse)
        status, answer = await api.call("GET", "/health")
        assert (status, answer["status"]) == (503, "DOWN")
        assert "datastore: the disk is full" in answer["error"]
    assert (await api.get("/health"))["status"] == "UP"


@pytest.mark.parametrize("path", ["/jobs", "/jobs/{job}/log", "/tasks/{task}/log"])
@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=x", "page=1.5", "page=", "page=1&page=2", "size=0", "size=101",
     "size=-5", "page=99999999999999999999", "size=%00", "page=%D9%A1", "q=text", "until=x"],
)  # fmt: skip
async def test_bad_values_of_a_page_are_400(api: Any, path: str, query: str) -> None:
    job = await api.ended((await api.submit())["id"])
    path = path.format(job=job["id"], task=job["execution"][0]["id"])
    status, answer = await api.call("GET", f"{path}?{query}")
    assert status == 400
    assert query.partition("=")[0] in answer["error"]


@pytest.mark.parametrize(
    "path",
    ["/job/{id}", "/jobs/{id}", "/jobs/{id}/log", "/jobs/{id}/events", "/tasks/{id}",
     "/tasks/{id}/log"],
)  # fmt: skip
@pytest.mark.parametrize(
    "id",
    ["0" * 32, "x", "..", "%2e%2e%2fqueues", "%00", "A" * 32, "1" * 5000, "%ff%fe",
     "';%20drop%20table%20jobs;%20--", "0" * 31 + "%0a"],
)  # fmt: skip
async def test_unknown_ids_are_404(api: Any, path: str, id: str) -> None:
    from yarl import URL

    url = URL(f"http://localhost:{api.port}{path.format(id=id)}", encoded=True)
    async with api.session.get(url) as response:
        assert response.status == 404
        assert (await response.json())["error"]


async def test_cancelling_an_unknown_job_is_404(api: Any) -> None:
    status, answer = await api.call("PUT", f"/job/{'0' * 32}/cancel")
    assert (status, "no job" in answer["error"]) == (404, True)
