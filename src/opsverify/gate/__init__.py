"""The change gate: verification before and after a change, held against each other, and one word about it."""
