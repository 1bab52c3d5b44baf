"""The simulator: real coordinators and workers on a virtual clock, from a seed.

Run it with ``python -m tests.simulation --help``.
"""
