"""A seeded patient and X-ray chain: vertebrae, cement that grows and leaks where told, and the truth about it."""
