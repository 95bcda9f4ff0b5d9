"""The grid of planted faults: its cells, how they are made, what they say."""
