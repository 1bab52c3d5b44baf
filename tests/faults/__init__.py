"""The real program, killed at random moments: what was accepted comes to its one end."""
