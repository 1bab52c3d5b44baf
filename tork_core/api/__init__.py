"""The HTTP API of a coordinator.

    connection -> server -> guard (Host, Origin, key) -> router -> routes -> service -> the engine

Nothing but ``service`` is imported by the engine, so that a process without an API does not import
aiohttp.
"""
