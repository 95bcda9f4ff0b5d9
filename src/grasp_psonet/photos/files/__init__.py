"""A photo's file: where it lies, what format it is, what it holds beside its pixels, and its pixels."""
