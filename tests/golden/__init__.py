"""Digests of what a study's stages made, held fixed while the code around them changes."""
