"""Pruning: which training photos leave, what that removed, and the controls beside it (paper 2.3 and 3.3)."""
