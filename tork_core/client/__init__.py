"""The client of the HTTP API, for the command line and for programs that are not asynchronous.

::

    client = Client("http://localhost:3000")
    job = client.submit(b"tasks: [{image: alpine, run: echo hello}]", format="yaml").value
    for item in client.follow(job.id):
        ...

It uses nothing but the standard library: importing aiohttp would take longer than most commands
run. Each call opens a connection of its own and has a time-out.
"""

from tork_core.client.address import DEFAULT_SERVER, Address
from tork_core.client.answers import Answer
from tork_core.client.client import Client
from tork_core.client.connection import Refused
from tork_core.client.following import Unlogged

__all__ = [
    "DEFAULT_SERVER",
    "Address",
    "Answer",
    "Client",
    "Refused",
    "Unlogged",
]
