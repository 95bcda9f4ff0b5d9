"""What is checked before and beside the stages: tables, photos, settings, privacy, this machine."""
