"""The lab: a production-like stack to verify against and to break."""
