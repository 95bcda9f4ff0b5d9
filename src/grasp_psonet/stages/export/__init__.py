"""``grasp export``: a run's kept network for other programs, with a card and proof that it gives the same numbers."""
