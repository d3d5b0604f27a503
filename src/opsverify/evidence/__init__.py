"""The evidence of a run: what an auditor verifies, performs again, reads and signs, and what other tools read."""
