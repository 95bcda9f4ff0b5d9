"""Drawing one photo: body, skin, plaques, light, and where each is on it."""
