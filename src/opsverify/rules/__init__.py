"""Rules: facts, limits and ``now`` in, observations out. Pure: no I/O, no clock, no environment."""
