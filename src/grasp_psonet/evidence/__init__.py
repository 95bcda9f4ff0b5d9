"""Evidence: metrics, patient-clustered intervals, agreement of readers, and the choice of k (methods of paper 3.3)."""
