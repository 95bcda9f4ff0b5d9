"""Every table of a study stated once: its columns, their types, units and meaning; used to write, read and explain it."""
