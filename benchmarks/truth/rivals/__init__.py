"""Rivals of the default, and ways of pruning that are no settings."""
