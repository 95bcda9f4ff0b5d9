"""The tables that the product writes: their columns, types and what they mean."""
