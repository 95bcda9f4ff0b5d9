"""``grasp report``: what the stages found, gathered into one value, and the page and file of numbers made of it."""
