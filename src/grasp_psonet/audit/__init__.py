"""Audit: visits ranked for a second reading, and how fast each ranking finds disagreements (paper 3.4)."""
