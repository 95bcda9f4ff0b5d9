"""What one photo is inside its bag: units, each with its proof and its products."""
