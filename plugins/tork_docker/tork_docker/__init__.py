"""The Docker runtime: each task in a container of its own."""
