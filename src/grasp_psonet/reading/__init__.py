"""Reading again: rounds in which people read visits blinded, each answer signed and every step on a trail. No torch."""
