"""Diagnosis: what the flagged training photos share, and what is wrong with a study, each with its evidence."""
