"""``grasp predict``: what a run's kept network says of new visits, and how much of it can be relied on."""
