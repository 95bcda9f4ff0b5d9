"""What makes each stage: its own settings and inputs in, the files of its folder out."""
