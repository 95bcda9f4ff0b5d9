"""Exact per-example gradients and their products, layer by layer; knows layers, no bag and no formula."""
