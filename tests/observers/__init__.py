"""Middleware observers, from the commit to the call."""
