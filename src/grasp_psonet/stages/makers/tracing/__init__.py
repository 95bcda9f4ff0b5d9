"""``grasp trace``: scores of all anchors in parts."""
