"""What the evidence is worth: whether intervals cover, whether findings name the cause."""
