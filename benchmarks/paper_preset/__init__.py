"""The paper's study at its size on one machine: baseline, trace and one pruned retraining within a budget of time."""
