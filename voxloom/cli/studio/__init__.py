"""The terminal studio: prompts read aloud, checked, re-read, stored. `session` decides, the others do."""
