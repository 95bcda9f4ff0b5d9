"""Tracing a network that is not ours, from Python."""
