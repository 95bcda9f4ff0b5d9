"""Measurements: ratios and gains, each written as a dated file."""
