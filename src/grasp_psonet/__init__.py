"""GRASP-PsONet: which training photos caused each validation error, and what pruning them changes."""

__version__ = "0.1.0"
