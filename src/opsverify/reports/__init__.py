"""What lies in ``reports/``: pages that list the runs of each stream, and how old runs are taken away."""
