"""The clinical half: scores, the record of what was done, and what many records say together."""
