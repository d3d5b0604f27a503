"""The evidence of a run: what an auditor verifies, performs again and reads, and the formats that other tools read."""
