"""The shell runtime: tasks as processes of the worker's own host."""
