"""What reading again is worth: which lists find gross errors, and what corrected labels give after retraining."""
