"""PASI as a number beside the readers' own agreement, and what pruning wins back of a planted shortcut, in points."""
