"""What a run leaves behind for others to verify: the manifest, the chain, the signature, and what reviewers sign."""
