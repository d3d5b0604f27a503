"""The only code that touches the outside. Each channel: guard → send (bounded) → redact → transcript → return."""
