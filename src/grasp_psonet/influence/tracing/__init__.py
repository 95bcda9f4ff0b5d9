"""Scores: formulas, counted at anchors or by step, unrolled, what-if and self-influence."""
