"""The in-memory broker and datastore of Tork: everything in one process, gone when it ends."""
