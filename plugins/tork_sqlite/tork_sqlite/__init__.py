"""Tork's datastore in one SQLite file: jobs that survive a restart, on one machine."""
